"""Part 3: the student's graph layers, trained on citations and compared."""

from dl1.lazy_names import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "curves": ["accuracy_table", "plot_curves"],
        "depth": ["PlainMean", "depth_experiment"],
        "static_attention": ["compare_scores"],
        "training": ["mean_convolution", "train_layer"],
        "widgets.bot_averages": ["bot_averages"],
        "widgets.bot_demo": ["bot_demo"],
        "widgets.message_steps": ["message_steps"],
        "widgets.neighbourhood": ["explore_neighbourhood"],
    },
)
