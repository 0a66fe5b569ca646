//! Languages as engines name them, as BCP 47 codes.

/// Full names, as Whisper gives them, of the languages spoken where Callscribe is likely to be.
const NAMES: [(&str, &str); 24] = [
    ("amharic", "am"),
    ("arabic", "ar"),
    ("chinese", "zh"),
    ("czech", "cs"),
    ("dutch", "nl"),
    ("english", "en"),
    ("french", "fr"),
    ("german", "de"),
    ("greek", "el"),
    ("hebrew", "he"),
    ("hindi", "hi"),
    ("hungarian", "hu"),
    ("italian", "it"),
    ("japanese", "ja"),
    ("korean", "ko"),
    ("persian", "fa"),
    ("polish", "pl"),
    ("portuguese", "pt"),
    ("romanian", "ro"),
    ("russian", "ru"),
    ("spanish", "es"),
    ("turkish", "tr"),
    ("ukrainian", "uk"),
    ("yiddish", "yi"),
];

/// `english`, `EN`, `en-US`, `iw-IL` and the like as `en`, `he`; `None` for what is no language.
pub fn code(name: &str) -> Option<String> {
    let name = name.trim().to_lowercase();
    if let Some((_, code)) = NAMES.iter().find(|(full, _)| *full == name) {
        return Some((*code).to_owned());
    }
    let primary = name.split(['-', '_']).next().unwrap_or_default();
    match primary {
        // Hebrew's code before 1989, which Java and Google still use.
        "iw" => Some("he".to_owned()),
        code if (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase()) => {
            Some(code.to_owned())
        }
        _ => None,
    }
}

/// Whether a list, of which an empty one names all, holds a language.
pub fn is_among(languages: &[String], language: &str) -> bool {
    languages.is_empty() || languages.iter().any(|one| one == language)
}

/// Checks a setting that lists languages.
///
/// # Errors
/// A sentence with the setting's name, the value that is none, and what is allowed.
pub fn check<'a>(
    setting: &str,
    languages: impl IntoIterator<Item = &'a String>,
) -> Result<(), String> {
    let is_code = |language: &&String| code(language).as_ref() == Some(*language);
    match languages.into_iter().find(|language| !is_code(language)) {
        Some(wrong) => Err(format!("{setting} is {wrong:?}; it is a code such as en or he")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_become_one_code() {
        for (name, expected) in [
            ("english", Some("en")),
            ("Hebrew", Some("he")),
            ("iw-IL", Some("he")),
            ("en_US", Some("en")),
            ("", None),
            ("unknown language", None),
        ] {
            assert_eq!(code(name).as_deref(), expected, "{name}");
        }
    }
}
