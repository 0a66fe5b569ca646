//! What an error says of a setting, without repeating what stands in it: it may be a secret in the
//! wrong place.

use config::ConfigError;

/// The error in words. Of a text that stands where a number or a switch should, the text is told:
/// no secret is either.
pub(super) fn told(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, origin, key } => {
            let key = key.as_ref().map(|key| format!(" for key `{key}`")).unwrap_or_default();
            let origin = origin.as_ref().map(|origin| format!(" in {origin}")).unwrap_or_default();
            told(error) + &key + &origin
        }
        ConfigError::FileParse { uri, cause } => {
            // The first line says where, the next ones what stands there.
            let place = cause.to_string().lines().next().unwrap_or_default().to_owned();
            let file = uri.as_ref().map(|uri| format!(" in {uri}")).unwrap_or_default();
            match cause.downcast_ref::<toml::de::Error>() {
                Some(error) => format!("{place}{file}: {}", error.message()),
                None => place + &file,
            }
        }
        ConfigError::Message(message) => without_value(message),
        other => other.to_string(),
    }
}

/// `invalid type: string "hush", expected a sequence` without what is quoted.
fn without_value(message: &str) -> String {
    for begins in ["invalid type: ", "invalid value: "] {
        let Some(at) = message.find(begins) else { continue };
        let (start, found) = message.split_at(at + begins.len());
        let kind = found.split(['"', '`']).next().unwrap_or_default();
        // The last one: what is quoted may hold the word as well.
        let expected = found.rfind(", expected ").map_or("", |at| &found[at..]);
        let kind = kind.split(", expected ").next().unwrap_or_default().trim_end();
        return [start, kind, expected].concat();
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_left_out_and_what_is_expected_stays() {
        for (message, expected) in [
            (
                "invalid type: string \"a \\\"hush\\\", expected x\", expected a sequence",
                "invalid type: string, expected a sequence",
            ),
            (
                "invalid type: integer `4711`, expected a map",
                "invalid type: integer, expected a map",
            ),
            (
                "invalid type: sequence, expected a string",
                "invalid type: sequence, expected a string",
            ),
            ("twimml is no setting", "twimml is no setting"),
        ] {
            assert_eq!(without_value(message), expected);
        }
    }
}
