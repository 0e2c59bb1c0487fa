//! Whose slot a decision is put into.

/// The longest slot.
const MAX: usize = 40;

/// A slot made of a user's name.
#[must_use]
pub fn of_user(user: &str) -> String {
    let mut slot = String::new();
    for c in user.chars().map(|c| c.to_ascii_lowercase()) {
        let fits = c.is_ascii_lowercase() || c.is_ascii_digit();
        if fits {
            slot.push(c);
        } else if !slot.is_empty() && !slot.ends_with('-') {
            slot.push('-');
        }
    }
    slot.truncate(MAX - 10);
    let slot = slot.trim_end_matches('-');
    if slot.is_empty() { "me".to_owned() } else { slot.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_any_name() {
        assert_eq!(of_user("Alice.Example@corp.example"), "alice-example-corp-example");
        assert_eq!(of_user("oidc:grp/ü"), "oidc-grp");
        assert_eq!(of_user("日本"), "me");
        assert!(of_user(&"x".repeat(300)).len() <= MAX - 10);
    }
}
