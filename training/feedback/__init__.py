"""What people asked and what they said of the answers, kept, and the lessons that come of it."""
