//! Several files in one input: a line `--- <name>` begins each. Text, so that a mutation of one byte stays one, and a kept input can be read.

const MARK: &[u8] = b"--- ";

/// Names and contents, in order. What stands before the first mark is dropped.
pub fn parts(input: &[u8]) -> Vec<(&[u8], &[u8])> {
    let begins = |at: &usize| input[*at..].starts_with(MARK) && (*at == 0 || input[*at - 1] == b'\n');
    let starts: Vec<usize> = (0..input.len()).filter(begins).collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([input.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let part = &input[start + MARK.len()..end.max(start + MARK.len())];
            let line = part.iter().position(|b| *b == b'\n');
            line.map_or((part, &[][..]), |line| (&part[..line], &part[line + 1..]))
        })
        .collect()
}

/// The content of the first part of this name.
pub fn part<'a>(parts: &[(&[u8], &'a [u8])], name: &str) -> Option<&'a [u8]> {
    parts.iter().find(|(n, _)| *n == name.as_bytes()).map(|(_, content)| *content)
}
