//! Configuration: documented defaults, then `callscribe.toml`, then the environment.
//!
//! A setting lives on a field of the settings struct of whoever uses it, with its default in the
//! struct's `Default` and its documentation on the field. `CALLSCRIBE_REDIS__URL` sets `redis.url`; a
//! list of tables is set by a JSON text, `CALLSCRIBE_INGEST__ALIASES='[{"path": …}]'`. An empty
//! variable sets nothing.

mod tables;
mod told;

use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::{Config, Environment, File, FileFormat};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serializer, de::DeserializeOwned};

/// Why the configuration cannot be used. The message names the setting and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting is unknown, or its value is of the wrong kind.
    #[error("{0}")]
    Wrong(String),
    /// The file named by `CALLSCRIBE_CONFIG` does not exist.
    #[error("the configuration file {0} does not exist (named by CALLSCRIBE_CONFIG)")]
    NoFile(PathBuf),
}

/// The prefix of every variable.
const PREFIX: &str = "CALLSCRIBE";

/// Variables with the prefix that are no settings: they say where to look or are for the Makefile.
const NOT_SETTINGS: [&str; 2] = ["CALLSCRIBE_CONFIG", "CALLSCRIBE_DATA"];

/// Reads the configuration from the file and the process's environment.
///
/// The file is the one `CALLSCRIBE_CONFIG` names, else `callscribe.toml` in the working folder if
/// there is one.
///
/// # Errors
/// When a setting is unknown or wrong.
pub fn load<T: DeserializeOwned>() -> Result<T, ConfigError> {
    load_with_given().map(|(settings, _)| settings)
}

/// As [`load`], with the record of which settings were given.
///
/// # Errors
/// When a setting is unknown or wrong.
pub fn load_with_given<T: DeserializeOwned>() -> Result<(T, Given), ConfigError> {
    let file = match std::env::var_os("CALLSCRIBE_CONFIG") {
        Some(named) if !Path::new(&named).is_file() => {
            return Err(ConfigError::NoFile(named.into()));
        }
        Some(named) => Some(PathBuf::from(named)),
        None => Some(PathBuf::from("callscribe.toml")).filter(|path| path.is_file()),
    };
    merge(file.as_deref(), readable(std::env::vars_os())?)
}

/// The variables that are ours, as text. What others keep in the environment need not be text.
fn readable(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let ours = variables.into_iter().filter_map(|(name, value)| {
        let name = name.to_string_lossy().into_owned();
        is_setting(&name).then_some((name, value))
    });
    ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(ConfigError::Wrong(format!(
            "wrong setting: the variable {name} is not UTF-8: write it as UTF-8 text"
        ))),
    })
    .collect()
}

/// Whether a variable of this name sets something.
fn is_setting(name: &str) -> bool {
    let is_ours = name.to_ascii_uppercase().starts_with(&format!("{PREFIX}_"));
    is_ours && !NOT_SETTINGS.contains(&name)
}

/// Reads the configuration from a file and from variables.
///
/// # Errors
/// When a setting is unknown or wrong.
pub fn load_from<T: DeserializeOwned>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    merge(file, variables).map(|(settings, _)| settings)
}

/// Which settings were given, by the file or by a variable, rather than left to their default.
#[derive(Debug, Clone, Default)]
pub struct Given(Config);

impl Given {
    /// Whether a setting (`redis.url`) or anything in a section (`redis`) was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.get::<config::Value>(name).is_ok()
    }
}

fn merge<T: DeserializeOwned>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(T, Given), ConfigError> {
    // Compose files and manifests pass what nobody has set as nothing.
    let is_set = |(name, value): &(String, String)| is_setting(name) && !value.trim().is_empty();
    let mut variables: HashMap<_, _> = variables.into_iter().filter(is_set).collect();
    let tables = tables::take(&mut variables)?;
    // Values stay texts here: parsing them by their looks would turn a token of digits into a
    // number. The deserializer converts where a number or a switch is asked for.
    let environment = Environment::with_prefix(PREFIX)
        .prefix_separator("_")
        .separator("__")
        .source(Some(variables));
    let mut builder = Config::builder();
    if let Some(path) = file {
        builder = builder.add_source(File::from(path).format(FileFormat::Toml));
    }
    builder = builder.add_source(environment);
    for (setting, list) in tables {
        builder = builder.set_override(setting, list).map_err(wrong)?;
    }
    let merged = builder.build().map_err(wrong)?;
    let settings = merged.clone().try_deserialize().map_err(wrong)?;
    Ok((settings, Given(merged)))
}

fn wrong(error: config::ConfigError) -> ConfigError {
    ConfigError::Wrong(format!(
        "wrong setting: {} (run `callscribe config --json` to see every setting; \
         variables are written CALLSCRIBE_SECTION__NAME)",
        told::told(&error)
    ))
}

/// For `serialize_with`: a secret is printed as `***`, an empty one as nothing.
///
/// # Errors
/// As the serializer's.
pub fn masked<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if secret.expose_secret().is_empty() { "" } else { "***" })
}

/// For `serialize_with`: an optional secret is printed as `***`, an absent one as nothing.
///
/// # Errors
/// As the serializer's.
pub fn masked_option<S: Serializer>(
    secret: &Option<SecretString>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => masked(secret, to),
        None => to.serialize_str(""),
    }
}

/// For `serialize_with`: an address is printed without user, password and query.
///
/// # Errors
/// As the serializer's.
pub fn masked_url<S: Serializer>(url: &impl ToString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&domain::mask_url(&url.to_string()))
}

/// As [`masked_url`], an absent one as nothing.
///
/// # Errors
/// As the serializer's.
pub fn masked_url_option<S: Serializer>(
    url: &Option<impl ToString>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match url {
        Some(url) => masked_url(url, to),
        None => to.serialize_none(),
    }
}

/// As [`masked_url`], for addresses whose path is a secret too, as those of webhooks are.
///
/// # Errors
/// As the serializer's.
pub fn masked_url_path<S: Serializer>(url: &impl ToString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&domain::mask_url_path(&url.to_string()))
}

/// For `deserialize_with`: a list, or one text with commas between its items (as a variable must).
///
/// # Errors
/// When an item is not of the kind that is asked for.
pub fn comma_list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + std::str::FromStr<Err: std::fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        List(Vec<T>),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::List(list) => Ok(list),
        Either::Text(text) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| item.parse().map_err(serde::de::Error::custom))
            .collect(),
    }
}

/// Sections of other services, which this one does not read: accepted whole, without a look.
pub type OtherService = serde::de::IgnoredAny;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[derive(Debug, Deserialize, Default)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        server: Server,
    }

    #[derive(Debug, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Server {
        port: u16,
        token: String,
        #[serde(deserialize_with = "comma_list")]
        names: Vec<String>,
        routes: Vec<Route>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Route {
        path: String,
        #[serde(default)]
        twiml: bool,
        #[serde(default)]
        tags: Vec<String>,
    }

    impl Default for Server {
        fn default() -> Self {
            Self { port: 8080, token: String::new(), names: Vec::new(), routes: Vec::new() }
        }
    }

    fn from(variables: &[(&str, &str)]) -> Result<Sample, ConfigError> {
        load_from(None, variables.iter().map(|(k, v)| (k.to_string(), v.to_string())))
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        writeln!(file, "[server]\nport = 1\ntoken = 'file'\nnames = ['a', 'b']").unwrap();
        let variables = [("CALLSCRIBE_SERVER__TOKEN".to_string(), "variable".to_string())];
        let sample: Sample = load_from(Some(file.path()), variables).unwrap();
        assert_eq!((sample.server.port, sample.server.token.as_str()), (1, "variable"));
        assert_eq!(sample.server.names, ["a", "b"]);
        assert_eq!(from(&[]).unwrap().server.port, 8080);
    }

    #[test]
    fn a_token_of_digits_stays_what_it_is() {
        let token = "12345678901234567890123456789012";
        let sample = from(&[("CALLSCRIBE_SERVER__TOKEN", token)]).unwrap();
        assert_eq!(sample.server.token, token);
    }

    #[test]
    fn a_variable_holds_a_list_with_commas() {
        let sample = from(&[("CALLSCRIBE_SERVER__NAMES", "a, b,c")]).unwrap();
        assert_eq!(sample.server.names, ["a", "b", "c"]);
    }

    #[test]
    fn a_variable_holds_a_list_of_tables_as_json() {
        let variable = |text| [("CALLSCRIBE_SERVER__ROUTES", text)];
        let text = r#" [{"path": "/a", "twiml": true}, {"path": "123"}]"#;
        let route = |path: &str, twiml| Route { path: path.into(), twiml, tags: Vec::new() };
        let expected = [route("/a", true), route("123", false)];
        assert_eq!(from(&variable(text)).unwrap().server.routes, expected);
        let error = from(&variable(r#"[{"path": "hush-1""#)).unwrap_err().to_string();
        assert!(error.contains("CALLSCRIBE_SERVER__ROUTES"), "{error}");
        assert!(!error.contains("hush"), "{error}");
        let error = from(&variable(r#"[{"path": "/a", "twimml": true}]"#)).unwrap_err();
        assert!(error.to_string().contains("twimml"), "{error}");
    }

    #[test]
    fn what_stands_where_a_list_or_a_table_should_is_not_repeated() {
        for (name, text) in [
            ("CALLSCRIBE_SERVER__ROUTES", r#"{"path": "hush-1"}"#),
            ("CALLSCRIBE_SERVER__ROUTES", "hush-1"),
            ("CALLSCRIBE_SERVER__ROUTES", r#"[{"path": ["hush-1"]}, {"path": "/a", "twiml": []}]"#),
            ("CALLSCRIBE_SERVER", "hush-1"),
        ] {
            let error = from(&[(name, text)]).unwrap_err().to_string();
            assert!(!error.contains("hush") && error.contains("server"), "{error}");
        }
        let tables = r#"[{"path": "/a", "tags": "hush-1"}]"#;
        let error = from(&[("CALLSCRIBE_SERVER__ROUTES", tables)]).unwrap_err().to_string();
        assert!(!error.contains("hush") && error.contains("tags"), "{error}");
        assert!(error.contains("expected a sequence"), "{error}");
    }

    #[test]
    fn a_variable_in_lower_case_holds_a_list_of_tables_as_well() {
        let text = r#"[{"path": "/a"}]"#;
        let sample = from(&[("callscribe_server__routes", text)]).unwrap();
        assert_eq!(sample.server.routes[0].path, "/a");
    }

    #[test]
    fn of_a_file_that_is_no_toml_the_place_is_told_and_not_what_stands_there() {
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        writeln!(file, "[server]\ntoken = \"hush-1").unwrap();
        let error = load_from::<Sample>(Some(file.path()), []).unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
        for told in ["line 2, column", file.path().to_str().unwrap(), "expected `\"`"] {
            assert!(error.contains(told), "{told}: {error}");
        }
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_sets_nothing() {
        let names = ["TOKEN", "PORT", "NAMES", "ROUTES"];
        let variables = names.map(|name| (format!("CALLSCRIBE_SERVER__{name}"), " ".to_owned()));
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        writeln!(file, "[server]\ntoken = 'file'").unwrap();
        let (sample, given): (Sample, Given) = merge(Some(file.path()), variables).unwrap();
        assert_eq!((sample.server.port, sample.server.token.as_str()), (8080, "file"));
        assert!(sample.server.routes.is_empty());
        assert!(!given.has("server.port"));
    }

    #[test]
    fn an_address_in_brackets_stays_a_text() {
        let token = "[::1]:8080";
        assert_eq!(from(&[("CALLSCRIBE_SERVER__TOKEN", token)]).unwrap().server.token, token);
    }

    #[test]
    fn what_was_given_is_told_from_what_is_a_default() {
        let variables = [("CALLSCRIBE_SERVER__PORT".to_string(), "1".to_string())];
        let (_, given): (Sample, Given) = merge(None, variables).unwrap();
        assert!(given.has("server.port") && given.has("server"));
        assert!(!given.has("server.token"));
    }

    #[test]
    fn a_variable_that_is_no_text_is_named_if_it_is_ours_and_none_of_our_business_if_not() {
        use std::os::unix::ffi::OsStringExt;

        let bad = || OsString::from_vec(vec![b'a', 0xff]);
        let others = ["LESSOPEN", "CALLSCRIBE_DATA"].map(|name| (name.into(), bad()));
        let ours = [(bad(), bad()), ("CALLSCRIBE_SERVER__PORT".into(), "1".into())];
        let expected = [("CALLSCRIBE_SERVER__PORT".to_owned(), "1".to_owned())];
        assert_eq!(readable(others.into_iter().chain(ours)).unwrap(), expected);
        let error = readable([("CALLSCRIBE_SERVER__TOKEN".into(), bad())]).unwrap_err().to_string();
        assert!(error.contains("CALLSCRIBE_SERVER__TOKEN is not UTF-8"), "{error}");
    }

    #[test]
    fn an_unknown_setting_stops_the_start_and_lists_the_known_ones() {
        let error = from(&[("CALLSCRIBE_SERVER__PRT", "1")]).unwrap_err().to_string();
        assert!(error.contains("prt") && error.contains("port"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_with_what_is_expected() {
        let error = from(&[("CALLSCRIBE_SERVER__PORT", "many")]).unwrap_err().to_string();
        assert!(error.contains("server.port") && error.contains("many"), "{error}");
    }
}
