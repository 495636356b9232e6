"""Result to tables and to one self-contained page."""
