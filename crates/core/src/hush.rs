//! Takes secret values out of text that somebody else has written: the values, parts of them, and both in the encodings that
//! templates make with `Fn::Base64` and that addresses have.

use std::collections::HashMap;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

/// Stands for words of CloudFormation in which secret values could not be looked for.
pub(crate) const UNSHOWN: &str = "what CloudFormation says is not shown, since it may hold values of parameters that are secret and not known here";

/// So many characters in a row tell of a value; fewer are in other words, too.
const WINDOW: usize = 6;
/// A value of fewer bytes stays: a text without it could not be read, and it is no secret.
const LEAST: usize = 4;
/// Stands where something was taken out.
const MARK: &str = "(hidden)";
/// Stands for the whole text where the mark would repeat what it hides. Shorter than all that is looked for.
const WITHHELD: &str = "***";

/// The text without what it shares with these values.
pub(crate) fn hush<'a>(text: String, secrets: impl Iterator<Item = &'a str>) -> String {
    let secrets: Vec<&str> = secrets.filter(|secret| secret.len() >= LEAST).collect();
    let Some(marks) = marks(&text, &secrets) else { return text };
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for ((_, c), marked) in text.char_indices().zip(marks) {
        match (marked, inside) {
            (true, false) => out.push_str(MARK),
            (true, true) => {}
            (false, _) => out.push(c),
        }
        inside = marked;
    }
    if self::marks(&out, &secrets).is_some() { WITHHELD.to_owned() } else { out }
}

/// For each character whether it has to go; `None`: none of them.
fn marks(text: &str, secrets: &[&str]) -> Option<Vec<bool>> {
    if secrets.is_empty() || text.is_empty() {
        return None;
    }
    let views = views(text);
    // The text is cut up, and the values are held against that: it is short, and they may be many.
    let mut found: Vec<HashMap<&[char], Vec<usize>>> = views.iter().map(View::windows).collect();
    let mut marks = vec![false; text.chars().count()];
    let mut any = false;
    let mut mark = |view: &View, start: usize, length: usize| {
        for at in view.places.get(start..start.saturating_add(length)).unwrap_or_default() {
            marks.get_mut(at.0..at.1).unwrap_or_default().fill(true);
        }
        any = true;
    };
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        for (view, windows) in views.iter().zip(&mut found) {
            match &form {
                Form::Parts(chars) => {
                    for window in chars.windows(WINDOW) {
                        // Once is enough.
                        for start in windows.remove(window).unwrap_or_default() {
                            mark(view, start, WINDOW);
                        }
                    }
                }
                Form::Whole(chars) => {
                    let same = view.chars.windows(chars.len()).enumerate().filter(|(_, w)| w == chars);
                    same.for_each(|(start, _)| mark(view, start, chars.len()));
                }
            }
        }
    }
    any.then_some(marks)
}

/// What is looked for.
enum Form {
    /// Any part of it that is long enough.
    Parts(Vec<char>),
    /// Nothing but the whole of it.
    Whole(Vec<char>),
}

/// What a value looks like, as it is and in base64. (Percent signs are taken out of the text instead.)
fn forms(secret: &str) -> Vec<Form> {
    let plain: Vec<char> = secret.chars().collect();
    let short = plain.len() < WINDOW;
    let mut forms = Vec::new();
    // Inside a longer text, a value begins in the middle of a group of three bytes, or not.
    for before in 0..3_usize {
        let bytes = [&[0; 3][..before], secret.as_bytes()].concat();
        // The character that it shares with what stands before it is not known.
        let from = (before * 8).div_ceil(6);
        let ours = (bytes.len() * 8 / 6).saturating_sub(from);
        let all = [STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)];
        let same = all[0] == all[1];
        for encoded in all.into_iter().take(if same { 1 } else { 2 }) {
            let chars: Vec<char> = encoded.chars().skip(from).collect();
            if !short {
                forms.push(Form::Parts(chars));
                continue;
            }
            // In the middle of a longer text the last character is made of more, at its end it is not.
            let to_the_end = chars.iter().filter(|c| **c != '=').count();
            for length in [ours, to_the_end].into_iter().filter(|length| *length >= WINDOW) {
                forms.push(Form::Whole(chars.iter().take(length).copied().collect()));
            }
        }
    }
    forms.push(if short { Form::Whole(plain) } else { Form::Parts(plain) });
    forms
}

/// One way to read the text.
#[derive(Default)]
struct View {
    /// What it says.
    chars: Vec<char>,
    /// Which characters of the text say each of them: from, to.
    places: Vec<(usize, usize)>,
}

impl View {
    fn push(&mut self, c: char, from: usize, to: usize) {
        self.chars.push(c);
        self.places.push((from, to));
    }

    /// Where which window begins.
    fn windows(&self) -> HashMap<&[char], Vec<usize>> {
        let mut all: HashMap<&[char], Vec<usize>> = HashMap::new();
        for (start, window) in self.chars.windows(WINDOW).enumerate() {
            all.entry(window).or_default().push(start);
        }
        all
    }
}

/// The text as it stands; without percent signs where it has some; and with blanks for plus signs, as forms have them.
fn views(text: &str) -> Vec<View> {
    let chars: Vec<char> = text.chars().collect();
    let mut views = vec![View::default()];
    for (at, c) in chars.iter().enumerate() {
        views.iter_mut().for_each(|view| view.push(*c, at, at + 1));
    }
    if chars.contains(&'%') {
        views.push(decoded(&chars, false));
    }
    if chars.contains(&'+') {
        views.push(decoded(&chars, true));
    }
    views
}

fn decoded(chars: &[char], form: bool) -> View {
    let mut view = View::default();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let bytes = escaped(chars.get(at..).unwrap_or_default());
        if bytes.is_empty() {
            view.push(if form && *c == '+' { ' ' } else { *c }, at, at + 1);
            at += 1;
            continue;
        }
        for chunk in bytes.utf8_chunks() {
            let broken = chunk.invalid().iter().map(|_| (char::REPLACEMENT_CHARACTER, 1));
            for (c, bytes) in chunk.valid().chars().map(|c| (c, c.len_utf8())).chain(broken) {
                view.push(c, at, at + 3 * bytes);
                at += 3 * bytes;
            }
        }
    }
    view
}

/// The bytes of as many `%XX` as stand at the beginning.
fn escaped(chars: &[char]) -> Vec<u8> {
    let byte = |group: &[char]| match group {
        ['%', high, low] => {
            let value = high.to_digit(16)? * 16 + low.to_digit(16)?;
            u8::try_from(value).ok()
        }
        _ => None,
    };
    chars.chunks(3).map_while(byte).collect()
}

#[cfg(test)]
#[path = "hush_tests.rs"]
mod tests;
