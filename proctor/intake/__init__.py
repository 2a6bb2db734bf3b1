"""What comes in: copying a submission safely, and making of it the notebook that is run."""
