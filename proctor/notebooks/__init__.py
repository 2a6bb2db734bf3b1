"""Reading instructor notebooks: their cells, the code in them, and test cells taken apart."""
