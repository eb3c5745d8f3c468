"""What a study file may say; `study` is the whole, the others are its parts."""
