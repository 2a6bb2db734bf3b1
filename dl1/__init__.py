"""What the course's notebooks may import: these names, and those of the four parts, which :mod:`dl1.padding`,
:mod:`dl1.rotation`, :mod:`dl1.gpt` and :mod:`dl1.graphs` offer, too. All else is the kit's own and may move.
"""

from dl1.lazy_names import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        # A check and the answer that it reaches.
        "contract.checks": [
            "check_close",
            "check_dtype",
            "check_equal",
            "check_gradients",
            "check_raises",
            "check_shape",
            "check_true",
        ],
        "contract.alternatives": ["check_close_to_one_of", "check_dropout", "check_gradients_close_to_one_of"],
        "contract.matrix_answers": ["check_matrix"],
        "contract.probe": ["probe"],
        "contract.protocol": ["generator"],
        "contract.ready_made": ["without_ready_made"],
        "contract.unfinished": ["told_if_unfinished"],
        # Work in a notebook.
        "notebook.export": ["export_module"],
        "notebook.methods": ["method_of"],
        "notebook.pictures": ["compare", "heat_map"],
        "notebook.runs": ["show_tensorboard"],
        # Handing in.
        "handing_in.in_notebook": ["hand_in"],
        # Data.
        "data.citation_graph": ["load_citation_graph"],
        "data.corpus": ["load_corpus"],
        "data.images": ["load_images"],
        "data.squares": ["squares"],
        # The parts.
        "padding": ["KernelStepper", "accuracy_chart", "border_maps", "show_samples", "train_configurations"],
        "rotation": ["angle_slider", "kept_accuracies", "profile_note", "sweep_images", "train_model"],
        "gpt": [
            "CharTokenizer",
            "TOLERANCE",
            "attention_maps",
            "build_gpt",
            "chosen_profile",
            "compare_tokenizers",
            "export_generation",
            "find_kernels",
            "fine_tune",
            "handed_in_model",
            "measure_optimizations",
            "measured_loss",
            "plot_fine_tuning",
            "plot_losses",
            "plot_optimizations",
            "rope_dial",
            "sampling_sliders",
            "student_gpt",
            "train_gpt",
        ],
        "graphs": [
            "accuracy_table",
            "bot_demo",
            "explore_neighbourhood",
            "mean_convolution",
            "message_steps",
            "plot_curves",
            "train_layer",
        ],
    },
)
