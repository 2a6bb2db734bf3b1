"""Student code at work: the engine's hold on it, and the program that runs it in its sandbox."""
