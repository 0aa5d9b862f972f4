"""Result pictures: their URLs and sizes, drawing, and the metadata in their PNG files."""
