//! The words of our letters: templates, in files, in the languages that there are.
