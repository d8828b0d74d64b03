"""What one router may hold and how it is set up; its circuit."""
