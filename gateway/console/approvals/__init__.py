"""What the brake holds, and announcements."""
