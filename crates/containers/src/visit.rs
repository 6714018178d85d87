//! What a reader of a form gives out, and to whom.

use std::io::Read;

use crate::Mark;

/// What a member of a container is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A file with content.
    File,
    /// A folder.
    Folder,
    /// A link, soft or hard, or a device.
    Link,
}

/// A member of a container, as its directory tells it.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name as written, at most a few hundred octets; octets that are no text replaced.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The media type that is declared for it, where the form has such.
    pub declared: Option<String>,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// With the next member.
    On,
    /// A bound is passed: no more.
    Stop,
}

/// Who takes what a reader gives out. Bounds are the visitor's affair: a reader gives every member in turn and stops when
/// told. Of its own a reader allocates no more than in proportion to the octets that it was handed, and asks
/// [`is_over`](Visit::is_over) in long loops.
pub trait Visit {
    /// A member. `content` gives its octets unpacked; it may be read in part or not at all. An error of `content` is the
    /// member's damage, not the container's.
    fn file(&mut self, file: &File, content: &mut dyn Read) -> Flow;
    /// Something about the container itself; `note` says in a few words what exactly.
    fn mark(&mut self, mark: Mark, note: &str);
    /// Something about a member that cannot be read, such as an encrypted one: its name is judged all the same.
    fn closed(&mut self, file: &File, mark: Mark) -> Flow;
    /// Whether the time is over.
    fn is_over(&mut self) -> bool;
}
