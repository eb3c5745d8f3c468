"""What a study says: its file, checked and expanded into cells."""
