"""Giving a class its methods cell by cell. Copied as it stands into an exported module, so it imports nothing."""


def method_of(cls):
    """Decorator: makes the function below it a method of ``cls``, in place of the one that ``cls`` had.

    ``super()`` needs its two-argument form in such a method: ``super(CausalSelfAttention, self)``.
    """

    def attach(function):
        function.__qualname__ = f"{cls.__qualname__}.{function.__name__}"
        setattr(cls, function.__name__, function)
        return function

    return attach
