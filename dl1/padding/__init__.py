"""Part 1.1: how padding tells a network where it is; the networks, their runs, the convolution step by step."""

from dl1.lazy_names import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "kernel_stepper": ["KernelStepper"],
        "pictures": ["accuracy_chart", "border_maps", "show_samples"],
        "runs": ["train_configurations"],
    },
)
