"""What every notebook needs around its answers: exports, kept runs, pictures, the machine that it runs on."""
