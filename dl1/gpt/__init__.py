"""Part 2: the student's GPT, loaded, trained, measured and kept."""

from dl1.lazy_names import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "attention_kernels": ["TOLERANCE", "find_kernels"],
        "course_model": ["plot_spoken", "speak_course_text"],
        "beyond_training": ["losses_beyond_training", "plot_beyond_training"],
        "curves": ["plot_losses"],
        "exported": ["export_generation", "student_gpt"],
        "fine_tuning": ["fine_tune", "plot_fine_tuning"],
        "handed_in_model": ["measured_loss"],
        "head_roles": ["plot_head_roles", "roles_of_heads"],
        "induction": ["plot_induction", "watch_induction"],
        "number_formats": ["plot_number_formats"],
        "kv_cache": ["measure_cache", "plot_cache"],
        "optimization_table": ["measure_optimizations", "plot_optimizations"],
        "overfitting": ["overfit", "plot_overfitting"],
        "scaling": ["plot_scaling", "scaling_law"],
        "session": ["chosen_profile", "train_gpt"],
        "student_module": ["build_gpt"],
        "tokenizers.byte_pairs": ["compare_tokenizers"],
        "tokenizers.char_tokenizer": ["CharTokenizer"],
        "widgets.attention_maps": ["attention_maps"],
        "widgets.rope_dial": ["rope_dial"],
        "widgets.sampling_sliders": ["sampling_sliders"],
    },
    modules=["handed_in_model"],
)
