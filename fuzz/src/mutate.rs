//! Mutations that keep JSON whole: a value takes the place of another one, or a key comes, goes or changes.

use std::sync::LazyLock;

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Map, Value};

/// What stands in templates, manifests and plans, and is not come upon by chance.
static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words.txt").lines().collect());

/// Draws numbers; always the same for a seed, as libFuzzer wants it.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap_or_default() % n.max(1)
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    fn value(&mut self, known: &[Value]) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => Value::from(self.below(1 << 20)),
            3 => Value::Array(vec![]),
            4 => Value::Object([(self.word().to_owned(), Value::from(self.word()))].into_iter().collect()),
            5 | 6 => Value::from(self.word()),
            _ => known.get(self.below(known.len())).cloned().unwrap_or_default(),
        }
    }
}

/// The mutator of a target whose parts are JSON. Every third time it is that of libFuzzer.
pub fn mutate(input: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut draw = Draw(u64::from(seed));
    let text = (draw.below(3) > 0).then(|| mutated(&input[..size], &mut draw)).flatten();
    match text.filter(|text| text.len() <= max) {
        Some(text) => {
            input[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        None => fuzzer_mutate(input, size, max),
    }
}

fn mutated(input: &[u8], draw: &mut Draw) -> Option<String> {
    let text = str::from_utf8(input).ok()?;
    let mut parts: Vec<(String, Result<Value, &str>)> = Vec::new();
    for part in text.strip_prefix("--- ").map_or_else(|| vec![text], |t| t.split("\n--- ").collect()) {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        parts.push((head.to_owned(), serde_json::from_str(body).map_err(|_| body)));
    }
    let known: Vec<Value> = parts.iter().filter_map(|(_, body)| body.as_ref().ok()).flat_map(below).collect();
    let jsons = parts.iter_mut().filter_map(|(_, body)| body.as_mut().ok());
    let mut jsons: Vec<&mut Value> = jsons.collect();
    for _ in 0..=draw.below(3) {
        let count = jsons.len();
        let json = jsons.get_mut(draw.below(count))?;
        change(at(json, draw), draw, &known);
    }
    let print = |(head, body): (String, Result<Value, &str>)| match body {
        Ok(json) => format!("--- {head}\n{json}"),
        Err(text) => format!("--- {head}\n{text}"),
    };
    Some(parts.into_iter().map(print).collect::<Vec<_>>().join("\n"))
}

fn below(value: &Value) -> Vec<Value> {
    let mut found = vec![value.clone()];
    match value {
        Value::Array(items) => found.extend(items.iter().flat_map(below)),
        Value::Object(object) => found.extend(object.values().flat_map(below)),
        _ => {}
    }
    found
}

/// Some value inside.
fn at<'a>(value: &'a mut Value, draw: &mut Draw) -> &'a mut Value {
    let inside = match value {
        Value::Array(items) => items.len(),
        Value::Object(object) => object.len(),
        _ => 0,
    };
    if inside == 0 || draw.below(4) == 0 {
        return value;
    }
    let place = draw.below(inside);
    let next = match value {
        Value::Array(items) => items.get_mut(place),
        Value::Object(object) => object.values_mut().nth(place),
        _ => None,
    };
    at(next.expect("counted above"), draw)
}

fn change(value: &mut Value, draw: &mut Draw, known: &[Value]) {
    match value {
        Value::Object(object) if draw.below(4) > 0 => change_object(object, draw, known),
        Value::Array(items) if draw.below(4) > 0 => {
            let place = draw.below(items.len() + 1);
            if place < items.len() && draw.below(2) == 0 {
                items.remove(place);
            } else {
                items.insert(place, draw.value(known));
            }
        }
        other => *other = draw.value(known),
    }
}

fn change_object(object: &mut Map<String, Value>, draw: &mut Draw, known: &[Value]) {
    let key = object.keys().nth(draw.below(object.len())).cloned();
    match (draw.below(3), key) {
        (0, Some(key)) => {
            object.remove(&key);
        }
        (1, Some(key)) => {
            let value = object.remove(&key).unwrap_or_default();
            object.insert(draw.word().to_owned(), value);
        }
        _ => {
            object.insert(draw.word().to_owned(), draw.value(known));
        }
    }
}
