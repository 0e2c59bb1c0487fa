use proptest::prelude::*;
use rstest::rstest;

use super::*;

const SECRET: &str = "TOPSECRETVALUE-8731";

fn hushed(text: &str, secrets: &[&str]) -> String {
    hush(text.to_owned(), secrets.iter().copied())
}

#[rstest]
#[case::whole(
    "Parameter 'Pw' value 'TOPSECRETVALUE-8731' is wrong",
    "Parameter 'Pw' value '(hidden)' is wrong"
)]
#[case::first_part("Lambda function not found: TOPSECRETVALUE", "Lambda function not found: (hidden)")]
#[case::last_part("no VALUE-8731 here", "no (hidden) here")]
#[case::six_characters("<ECRETV>", "<(hidden)>")]
#[case::five_characters("<ECRET>", "<ECRET>")]
#[case::two_parts("TOPSEC, ALUE-8", "(hidden), (hidden)")]
#[case::twice_in_a_row("TOPSECRETVALUE-8731TOPSECRETVALUE-8731", "(hidden)")]
#[case::base64("value VE9QU0VDUkVUVkFMVUUtODczMQ== is wrong", "value (hidden) is wrong")]
#[case::base64_without_padding("value VE9QU0VDUkVUVkFMVUUtODczMQ is wrong", "value (hidden) is wrong")]
// "a:TOP…;b": the characters at both ends are made of other bytes, too.
#[case::base64_inside("x YTpUT1BTRUNSRVRWQUxVRS04NzMxO2I= y", "x YTp(hidden)O2I= y")]
#[case::percent("x=%54%4FPSECRETVALUE%2d8731&y", "x=(hidden)&y")]
#[case::nothing_in_common("Größe 100%: ☃ %zz %F0%9F+", "Größe 100%: ☃ %zz %F0%9F+")]
#[case::beside_wide_characters("ü☃TOPSECRETVALUE-8731☃ü", "ü☃(hidden)☃ü")]
fn what_a_text_shares_with_a_value_is_taken_out(#[case] text: &str, #[case] left: &str) {
    assert_eq!(hushed(text, &[SECRET]), left);
}

#[rstest]
#[case::percent("p@ss w/ö?d", "u=p%40ss%20w%2F%C3%B6%3Fd;", "u=(hidden);")]
#[case::small_hexadecimal("p@ss w/ö?d", "u=p%40ss%20w%2f%c3%b6%3fd;", "u=(hidden);")]
#[case::some_left_as_they_are("p@ss w/ö?d", "u=p@ss%20w/%C3%B6?d;", "u=(hidden);")]
#[case::of_a_form("p@ss w/ö?d", "u=p%40ss+w%2F%C3%B6%3Fd;", "u=(hidden);")]
#[case::looks_encoded_itself("ab%41cd%42", "u=ab%41cd%42;", "u=(hidden);")]
#[case::base64_of_addresses("???>>>~~~", "k=Pz8_Pj4-fn5-;", "k=(hidden);")]
#[case::standard_base64("???>>>~~~", "k=Pz8/Pj4+fn5+;", "k=(hidden);")]
#[case::of_wide_characters("пароль-ключ", "не пароль-кл, а", "не (hidden), а")]
#[case::short_is_whole("horse", "horse hors", "(hidden) hors")]
#[case::base64_of_a_short_one("horse", "aG9yc2U= x", "(hidden)= x")]
#[case::base64_of_a_short_one_inside("horse", "YTpob3JzZTti", "YTp(hidden)Tti")]
#[case::base64_of_four_bytes("pass", "cGFzcw==", "(hidden)==")]
#[case::no_secret("abc", "abcabc", "abcabc")]
#[case::what_the_mark_says("hidden-treasure", "no hidden-treasure", "***")]
fn of_other_values(#[case] secret: &str, #[case] text: &str, #[case] left: &str) {
    assert_eq!(hushed(text, &[secret]), left);
}

#[test]
fn one_value_may_hold_another() {
    assert_eq!(hushed("horse-battery horse", &["horse", "horse-battery"]), "(hidden) (hidden)");
    assert_eq!(hushed("", &[SECRET]), "");
    assert_eq!(hushed("as it is", &[]), "as it is");
}

/// Many long values and a long text that repeats itself: it has to come to an end.
#[test]
fn it_takes_no_square_of_the_time() {
    let (a, b) = ("a".repeat(4096), "ab".repeat(2048));
    let text = "a".repeat(100_000) + "%61" + &"ab".repeat(50_000);
    assert_eq!(hushed(&text, &[&a, &b]), MARK);
}

fn windows(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.windows(WINDOW).map(|w| w.iter().collect()).collect()
}

/// As `encodeURIComponent` has it.
fn percent(text: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

proptest! {
    #[test]
    fn no_part_of_a_value_is_left(
        secret in "\\PC{6,40}|[a-c]{6,12}|[ -~]{6,40}",
        before in "\\PC{0,20}|[a-c]{0,12}",
        after in "\\PC{0,20}|[a-c]{0,12}",
        (from, length) in (0_usize..40, 6_usize..40),
    ) {
        let part: String = secret.chars().skip(from).take(length).collect();
        for inside in [secret.clone(), part, percent(&secret)] {
            let text = hushed(&format!("{before}{inside}{after}"), &[&secret]);
            for window in windows(&secret) {
                prop_assert!(!text.contains(&window), "{window} in {text}");
            }
            if inside == percent(&secret) {
                prop_assert!(!text.contains(&inside), "{inside} in {text}");
            }
        }
    }

    #[test]
    fn no_part_of_its_base64_is_left(secret in "\\PC{6,40}", before in "\\PC{0,5}", after in "\\PC{0,5}") {
        let whole = format!("{before}{secret}{after}");
        for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
            let text = hushed(&format!("<{encoded}>"), &[&secret]);
            // The characters that are made of the value alone.
            let (from, to) = ((before.len() * 8).div_ceil(6), (before.len() + secret.len()) * 8 / 6);
            for window in windows(encoded.get(from..to).unwrap()) {
                prop_assert!(!text.contains(&window), "{window} in {text}");
            }
        }
    }

    #[test]
    fn a_text_with_nothing_in_common_stays(text in "[0-4é☃ %+]{0,60}", secret in "[f-z]{4,40}") {
        prop_assert_eq!(hushed(&text, &[&secret]), text);
    }

    #[test]
    fn any_text_can_be_hushed_again(text in "\\PC{0,60}|[a-c%+0-9]{0,60}", secret in "\\PC{0,20}|[a-c]{4,9}") {
        let once = hushed(&text, &[&secret]);
        prop_assert_eq!(hushed(&once, &[&secret]), once.clone());
    }
}
