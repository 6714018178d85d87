//! An input's first octets say how the rest is cut.

/// The lengths of the pieces, each 1 to 16, none for an uncut input; and the rest.
pub fn cuts(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return (Vec::new(), data);
    };
    let (lengths, rest) = rest.split_at(usize::from(count % 8).min(rest.len()));
    (lengths.iter().map(|n| usize::from(n % 16) + 1).collect(), rest)
}
