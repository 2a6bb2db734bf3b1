"""Part 1.2: what a network trained upright makes of turned images, and what augmentation changes."""

from dl1.lazy_names import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "training": ["kept_accuracies", "profile_note", "sweep_images", "train_model"],
        "widgets.angle_slider": ["angle_slider"],
    },
)
