import inspect

from dl1 import method_of
from dl1.notebook import methods


class Layer:
    def forward(self):
        return "old"


def test_the_function_becomes_the_method_and_stays_a_function():
    @method_of(Layer)
    def forward(self, x):
        """Documented."""
        return ("new", x)

    assert Layer().forward(1) == ("new", 1)
    assert forward(None, 2) == ("new", 2)
    assert Layer.forward.__qualname__ == "Layer.forward"
    assert Layer.forward.__doc__ == "Documented."


def test_the_last_one_counts_and_instances_made_before_have_it():
    layer = Layer()

    @method_of(Layer)
    def extra(self):
        return 1

    @method_of(Layer)
    def extra(self):  # noqa: F811
        return 2

    assert layer.extra() == 2


def test_subclasses_inherit_it_and_other_classes_do_not_have_it():
    class Child(Layer):
        pass

    class Other:
        pass

    @method_of(Layer)
    def shared(self):
        return 3

    assert Child().shared() == 3
    assert "shared" not in vars(Child)
    assert not hasattr(Other, "shared")


def test_static_and_class_methods():
    @method_of(Layer)
    @staticmethod
    def double(x):
        return 2 * x

    @method_of(Layer)
    @classmethod
    def name(cls):
        return cls.__name__

    assert (Layer.double(2), Layer().double(3), Layer.name()) == (4, 6, "Layer")


def test_its_source_works_alone():
    # An exported module gets the text of this function and nothing of the kit.
    namespace = {}
    exec(inspect.getsource(methods.method_of), namespace)
    namespace["method_of"](Layer)(lambda self: 1)
    assert getattr(Layer(), "<lambda>")() == 1
