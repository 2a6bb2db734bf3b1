"""Part 1.1: how padding tells a network where it is; the networks, their runs, the convolution step by step."""

from dl1.lazy_names import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "course_results": ["course_table"],
        "handed_in": ["handed_in_runs", "handed_in_weights", "measured_accuracies"],
        "kernel_stepper": ["KernelStepper"],
        "leaks": ["height_leaks"],
        "nets": ["CONV_TYPES"],
        "pictures": ["accuracy_chart", "border_maps", "show_samples"],
        "runs": ["train_configurations"],
    },
)
