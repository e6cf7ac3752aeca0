"""What the mapping files may say, a file a file: the models behind the editor's completion and the first checks."""
