"""Result pictures: URLs and sizes, drawing, the metadata in a picture."""
