"""What people read: text and outputs of submissions made safe to show."""
