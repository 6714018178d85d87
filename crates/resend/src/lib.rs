//! Whoever was refused for the content of a mail may come once more, with the code from the refusal in the subject.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
