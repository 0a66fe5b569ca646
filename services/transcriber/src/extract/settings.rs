//! How extraction is configured.

use std::path::PathBuf;

use serde::Deserialize;

use super::catalogue::Language;

/// The `[extract]` section.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtractSettings {
    /// A catalogue of services and cities (TOML) that replaces the built-in one.
    pub catalogue: Option<PathBuf>,
    /// The language of the values, `en` or `he`; without it, the language of each call.
    pub values: Option<Language>,
}
