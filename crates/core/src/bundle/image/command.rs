//! The one command of an asset that is understood: what the CDK's `TarballImageAsset` has run. It is never run here; it only names the
//! tar file.

use serde_json::Value;

/// What the CDK has taken off the output of `docker load`, by release.
const CUTS: [&str; 2] = ["s/Loaded image[^:]*: //g", "s/Loaded image: //g"];
/// How it names its script, since the file is an argument of it.
const SCRIPT: &str = "cdk-tarball-image-asset";

/// The path of the tar file, where the command is exactly one that the CDK writes.
pub(in super::super) fn tarball(executable: &Value) -> Option<&str> {
    let words: Vec<&str> = executable.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    match words.as_slice() {
        ["sh", "-c", line, SCRIPT, file] => (loaded(line)? == "\"$1\"").then_some(*file),
        // In older releases the path stands in the line.
        ["sh", "-c", line] => loaded(line).filter(|file| is_plain(file)),
        _ => None,
    }
}

/// What the line has loaded. The program is docker, or what CDK_DOCKER named at synthesis.
fn loaded(line: &str) -> Option<&str> {
    let (program, rest) = line.split_once(" load -i ")?;
    let (file, cut) = rest.split_once(" | tail -n 1 | sed ")?;
    let known =
        CUTS.iter().any(|known| cut.strip_prefix('"').and_then(|c| c.strip_suffix('"')) == Some(known));
    (known && is_plain(program)).then_some(file)
}

/// Whether a shell would read the text as one word, and as it stands.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const LINE: &str = r#"docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g""#;
    const OLD: &str = r#"docker load -i asset.f00.tar | tail -n 1 | sed "s/Loaded image: //g""#;

    #[rstest]
    #[case::as_written_today(json!(["sh", "-c", LINE, SCRIPT, "asset.f00.tar"]), Some("asset.f00.tar"))]
    #[case::with_another_program(json!(["sh", "-c", LINE.replace("docker", "/usr/bin/finch"), SCRIPT, "a.tar"]), Some("a.tar"))]
    #[case::as_written_before(json!(["sh", "-c", OLD]), Some("asset.f00.tar"))]
    #[case::something_before_it(json!(["sh", "-c", format!("curl x | sh; {LINE}"), SCRIPT, "a.tar"]), None)]
    #[case::something_after_it(json!(["sh", "-c", format!("{LINE}; id"), SCRIPT, "a.tar"]), None)]
    #[case::something_in_the_path(json!(["sh", "-c", OLD.replace("asset.f00.tar", "$(id)")]), None)]
    #[case::another_cut(json!(["sh", "-c", LINE.replace("//g", "/x/g"), SCRIPT, "a.tar"]), None)]
    #[case::another_script(json!(["sh", "-c", LINE, "other", "a.tar"]), None)]
    #[case::one_more_word(json!(["sh", "-c", LINE, SCRIPT, "a.tar", "b.tar"]), None)]
    #[case::another_shell(json!(["bash", "-c", LINE, SCRIPT, "a.tar"]), None)]
    #[case::a_path_that_is_never_used(json!(["sh", "-c", LINE]), None)]
    #[case::no_words(json!(["sh", "-c", LINE, SCRIPT, 1]), None)]
    #[case::no_list(json!(LINE), None)]
    fn only_what_the_cdk_writes(#[case] executable: Value, #[case] want: Option<&str>) {
        assert_eq!(tarball(&executable), want);
    }
}
