//! Texts that intrinsic functions put together, and which pattern covers which.
//!
//! A pattern is what IAM takes for actions and resources ("IAM JSON policy elements: Action", "… Resource"): `*` is any text,
//! `?` one character. What only CloudFormation can resolve stays a token, which is equal to itself and to nothing else.

use serde_json::{Map, Value};

use crate::bundle::{canonical_json, unfolds_to};

/// The steps that the comparisons of one resource may take. A policy written to take longer counts as broadening.
const STEPS: u32 = 200_000;

/// What is left of the steps.
pub(super) struct Work(u32);

impl Work {
    pub(super) fn new() -> Self {
        Self(STEPS)
    }

    /// Takes steps; `false` once they are used up.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        let left = u32::try_from(steps).ok().and_then(|steps| self.0.checked_sub(steps));
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Piece {
    Char(char),
    One,
    Any,
    Token(String),
}

/// A text of characters, wildcards and tokens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Text(Vec<Piece>);

impl Text {
    /// The text of a value: of a scalar, and of `Fn::Join` and `Fn::Sub` with what they hold.
    ///
    /// What unfolds to more than any app writes is not read, and may end in a dynamic reference.
    pub(super) fn of(value: &Value) -> Self {
        let mut reader = Reader { pieces: Vec::new(), left: Some(unfolds_to(value)) };
        reader.push(value);
        if reader.left.is_none() {
            reader = Reader { pieces: Vec::new(), left: Some(usize::MAX) };
            reader.literal("{{resolve:");
            reader.token(value);
        }
        Self(reader.pieces)
    }

    /// A value of which nothing is read: it is equal to itself and to nothing else.
    pub(super) fn unread(value: &Value) -> Self {
        Self(vec![Piece::Token(canonical_json(value))])
    }

    /// How often a character stands in it.
    pub(super) fn count(&self, character: char) -> usize {
        self.0.iter().filter(|p| **p == Piece::Char(character)).count()
    }

    /// Without a difference between upper and lower case, as in actions.
    pub(super) fn lower(mut self) -> Self {
        for piece in &mut self.0 {
            if let Piece::Char(c) = piece {
                *c = c.to_ascii_lowercase();
            }
        }
        self
    }

    /// How many characters and tokens there are.
    pub(super) fn length(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_star(&self) -> bool {
        self.0 == [Piece::Any]
    }

    /// With each variable of a policy as a token: nobody knows before a request what it stands for.
    ///
    /// "IAM policy elements: Variables and tags", special characters: `${*}`, `${?}` and `${$}` are the characters themselves, and
    /// no wildcards.
    pub(super) fn with_variables(self) -> Self {
        let mut pieces = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_slice();
        // Once there is no end behind an opening, there is none behind later ones: nobody has us look again and again.
        let mut ends = true;
        while let Some((first, after)) = rest.split_first() {
            let inside = match after.split_first() {
                Some((Piece::Char('{'), inside)) if ends && *first == Piece::Char('$') => Some(inside),
                _ => None,
            };
            let end = inside.and_then(|inside| inside.iter().position(|p| *p == Piece::Char('}')));
            ends &= inside.is_none() || end.is_some();
            if let Some((name, after)) =
                inside.zip(end).and_then(|(inside, end)| inside.split_at_checked(end))
            {
                pieces.push(Piece::Token(format!("${{{name:?}}}")));
                rest = after.get(1..).unwrap_or_default();
            } else {
                pieces.push(first.clone());
                rest = after;
            }
        }
        Self(pieces)
    }

    /// Whether it holds a variable of a policy, or what looks like one.
    pub(super) fn has_variable(&self) -> bool {
        self.0.windows(2).any(|pair| pair == [Piece::Char('$'), Piece::Char('{')])
            || self.0.iter().any(|p| matches!(p, Piece::Token(text) if text.starts_with("${")))
    }

    /// The text with the given sign for each token.
    pub(super) fn with_tokens_as(&self, sign: char) -> String {
        self.with_tokens_by(|_| sign)
    }

    /// The text with a sign for each token that depends on what it is.
    pub(super) fn with_tokens_by(&self, sign: impl Fn(&str) -> char) -> String {
        let char = |p: &Piece| match p {
            Piece::Char(c) => *c,
            Piece::One => '?',
            Piece::Any => '*',
            Piece::Token(token) => sign(token),
        };
        self.0.iter().map(char).collect()
    }

    /// The start of it, of so many characters; a token counts as one.
    pub(super) fn start(&self, characters: usize) -> Self {
        Self(self.0.iter().take(characters).cloned().collect())
    }

    /// The text, if everything in it that waits for CloudFormation has a value.
    pub(super) fn resolved(&self, value: impl Fn(&str) -> Option<String>) -> Option<String> {
        let piece = |p: &Piece| match p {
            Piece::Char(c) => Some(c.to_string()),
            Piece::One => Some("?".to_owned()),
            Piece::Any => Some("*".to_owned()),
            Piece::Token(token) => value(token),
        };
        self.0.iter().map(piece).collect()
    }

    /// Whether every text that `narrow` stands for is one that this stands for.
    pub(super) fn covers(&self, narrow: &Self, work: &mut Work) -> bool {
        let (wide, narrow) = (&self.0, &narrow.0);
        let (mut w, mut n) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while n < narrow.len() {
            if !work.spend(1) {
                return false;
            }
            let fits = match (wide.get(w), narrow.get(n)) {
                (Some(Piece::Any), _) => {
                    retry = Some((w + 1, n));
                    w += 1;
                    continue;
                }
                (Some(Piece::One), Some(Piece::Char(_) | Piece::One)) => true,
                (Some(Piece::Char(a)), Some(Piece::Char(b))) => a == b,
                (Some(Piece::Token(a)), Some(Piece::Token(b))) => a == b,
                (Some(Piece::One | Piece::Char(_) | Piece::Token(_)), _) | (None, _) => false,
            };
            if fits {
                (w, n) = (w + 1, n + 1);
            } else if let Some((after_star, taken)) = retry {
                (w, n) = (after_star, taken + 1);
                retry = Some((after_star, taken + 1));
            } else {
                return false;
            }
        }
        wide.iter().skip(w).all(|p| *p == Piece::Any)
    }
}

/// Puts together the text of a value.
struct Reader {
    pieces: Vec<Piece>,
    /// How many characters may still come; none once that was too much.
    left: Option<usize>,
}

impl Reader {
    /// Takes room for so many characters; `false` once there is none.
    fn pays(&mut self, characters: usize) -> bool {
        self.left = self.left.and_then(|left| left.checked_sub(characters));
        self.left.is_some()
    }

    fn literal(&mut self, text: &str) {
        if !self.pays(text.len()) {
            return;
        }
        self.pieces.extend(text.chars().map(|c| match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            c => Piece::Char(c),
        }));
    }

    fn push(&mut self, value: &Value) {
        if !self.pays(1) {
            return;
        }
        match value {
            Value::String(text) => self.literal(text),
            Value::Bool(_) | Value::Number(_) => self.literal(&value.to_string()),
            Value::Object(object) if self.join(object) || self.sub(object) => {}
            Value::Null | Value::Array(_) | Value::Object(_) => self.token(value),
        }
    }

    fn token(&mut self, value: &Value) {
        // `Fn::GetAtt` may be written as a list or as a text with a dot.
        let dotted = value.get("Fn::GetAtt").and_then(Value::as_str).and_then(|text| text.split_once('.'));
        let text = match dotted {
            Some((id, attribute)) => canonical_json(&serde_json::json!({ "Fn::GetAtt": [id, attribute] })),
            None => canonical_json(value),
        };
        if self.pays(text.len()) {
            self.pieces.push(Piece::Token(text));
        }
    }

    fn join(&mut self, object: &Map<String, Value>) -> bool {
        let Some([Value::String(delimiter), Value::Array(items)]) = only(object, "Fn::Join").and_then(list)
        else {
            return false;
        };
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.literal(delimiter);
            }
            self.push(item);
        }
        true
    }

    fn sub(&mut self, object: &Map<String, Value>) -> bool {
        let (text, variables) = match only(object, "Fn::Sub") {
            Some(Value::String(text)) => (text, &Value::Null),
            Some(Value::Array(pair)) => match pair.as_slice() {
                [Value::String(text), variables] => (text, variables),
                _ => return false,
            },
            _ => return false,
        };
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            self.literal(before);
            let Some((name, tail)) = after.split_once('}') else {
                // Nor is there an end behind any other.
                self.literal("${");
                rest = after;
                break;
            };
            match (name.strip_prefix('!'), variables.get(name)) {
                (Some(kept), _) => self.literal(&format!("${{{kept}}}")),
                (None, Some(value)) => self.push(value),
                (None, None) if name.contains('.') => {
                    self.token(&serde_json::json!({ "Fn::GetAtt": name }));
                }
                (None, None) => self.token(&serde_json::json!({ "Ref": name })),
            }
            rest = tail;
        }
        self.literal(rest);
        true
    }
}

/// The argument of an intrinsic function, if the object is a call of it.
pub(super) fn only<'a>(object: &'a Map<String, Value>, function: &str) -> Option<&'a Value> {
    if object.len() == 1 { object.get(function) } else { None }
}

fn list(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}

/// Whether a value is a call of an intrinsic function.
pub(super) fn is_intrinsic(value: &Value) -> bool {
    value.as_object().filter(|o| o.len() == 1).is_some_and(|o| {
        o.keys().any(|k| k == "Ref" || k.starts_with("Fn::") || (k == "Condition" && o[k].is_string()))
    })
}

/// The items of a list, a single item as a list of one; what stands for nothing (`AWS::NoValue`) left out.
pub(super) fn items(value: &Value) -> Vec<&Value> {
    let all: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
    };
    all.into_iter().filter(|v| v.get("Ref").and_then(Value::as_str) != Some("AWS::NoValue")).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!("s3:*"), json!("s3:GetObject"), true)]
    #[case(json!("s3:Get*"), json!("s3:*"), false)]
    #[case(json!("*"), json!({"Ref": "P"}), true)]
    #[case(json!("a?c"), json!("abc"), true)]
    #[case(json!("a?c"), json!("a*c"), false)]
    #[case(json!("a*b*c"), json!("aXbYbZc"), true)]
    #[case(json!("a*b"), json!("a"), false)]
    #[case(json!({"Fn::Join": ["", [{"Fn::GetAtt": ["B", "Arn"]}, "/*"]]}), json!({"Fn::Sub": "${B.Arn}/x/*"}), true)]
    #[case(json!({"Fn::Join": ["", [{"Fn::GetAtt": ["B", "Arn"]}, "/*"]]}), json!({"Fn::Sub": "${C.Arn}/x"}), false)]
    #[case(json!({"Fn::GetAtt": "B.Arn"}), json!({"Fn::GetAtt": ["B", "Arn"]}), true)]
    #[case(json!({"Fn::Sub": ["${v}*", {"v": "a-"}]}), json!("a-b"), true)]
    #[case(json!({"Fn::Sub": "${!aws:username}"}), json!("${aws:username}"), true)]
    #[case(json!({"Ref": "A"}), json!({"Ref": "B"}), false)]
    fn what_covers_what(#[case] wide: Value, #[case] narrow: Value, #[case] want: bool) {
        assert_eq!(Text::of(&wide).covers(&Text::of(&narrow), &mut Work::new()), want);
    }

    #[test]
    fn a_comparison_that_would_take_for_ever_is_cut_short() {
        let wide = Text::of(&json!(format!("*{}b", "a".repeat(4_000))));
        let narrow = Text::of(&json!("a".repeat(40_000)));
        let mut work = Work::new();
        assert!(!wide.covers(&narrow, &mut work));
        assert!(!work.spend(1));
    }
    #[rstest]
    #[case::characters(json!("aaaaaaaaaa"))]
    #[case::nothing(json!(""))]
    #[case::tokens(json!({"Ref": "A".repeat(200)}))]
    fn functions_that_multiply_are_not_read(#[case] inside: Value) {
        let bomb = (0..30).fold(inside, |v, _| json!({"Fn::Sub": ["${a}".repeat(10), {"a": v}]}));
        assert_eq!(Text::of(&bomb).with_tokens_as('~'), "{{resolve:~");
    }
}
