from dl1 import method_of


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
