//! Which engines there are, from the settings and from what is installed.

use std::{path::Path, sync::Arc};

use chassis::config::comma_list;
use serde::{Deserialize, Serialize};

use super::{
    Command, CommandSettings, Deepgram, DeepgramSettings, Engine, Google, GoogleSettings, Openai,
    OpenaiSettings, PocketSphinx, PocketSphinxSettings, WhisperSettings, whisper,
};
use crate::price;

/// The speech engines.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnginesSettings {
    /// Which engines are used, the first one first and the others when it fails: `openai`,
    /// `google`, `deepgram`, `whisper`, `command`, `pocketsphinx`; or `auto`, which is the endpoint if
    /// one is configured, else the command if one is, else Whisper if it has a model, and
    /// PocketSphinx behind it or alone if that is installed. PocketSphinx behind another engine is
    /// asked only where that one fails or hears no word, not where that one only has to be waited
    /// for (a limit, a pause, too many calls). Default `auto`.
    #[serde(deserialize_with = "comma_list")]
    pub chain: Vec<String>,
    /// OpenAI, or a server with the same interface.
    pub openai: OpenaiSettings,
    /// Google Speech-to-Text v1.
    pub google: GoogleSettings,
    /// Deepgram.
    pub deepgram: DeepgramSettings,
    /// whisper.cpp in this process.
    pub whisper: WhisperSettings,
    /// A program on this machine.
    pub command: CommandSettings,
    /// PocketSphinx.
    pub pocketsphinx: PocketSphinxSettings,
}

impl Default for EnginesSettings {
    fn default() -> Self {
        Self {
            chain: vec!["auto".into()],
            openai: OpenaiSettings::default(),
            google: GoogleSettings::default(),
            deepgram: DeepgramSettings::default(),
            whisper: WhisperSettings::default(),
            command: CommandSettings::default(),
            pocketsphinx: PocketSphinxSettings::default(),
        }
    }
}

impl EnginesSettings {
    /// Checks what engines cost and what may be spent on them.
    fn check_prices(&self) -> Result<(), String> {
        let Self { openai, google, deepgram, command, .. } = self;
        for (engine, price, limit) in [
            ("openai", openai.usd_per_minute, openai.usd_per_day),
            ("google", google.usd_per_minute, google.usd_per_day),
            ("deepgram", deepgram.usd_per_minute, deepgram.usd_per_day),
            ("command", Some(command.usd_per_minute), command.usd_per_day),
        ] {
            for (name, usd) in [("usd_per_minute", price), ("usd_per_day", limit)] {
                if let Some(usd) = usd.filter(|usd| price::microusd(*usd).is_none()) {
                    return Err(format!(
                        "transcriber.engines.{engine}.{name} is {usd}; allowed are 0 and more"
                    ));
                }
            }
            if limit.is_some() && price.is_none_or(|price| price == 0.0) {
                return Err(format!(
                    "transcriber.engines.{engine}.usd_per_day is set without usd_per_minute; a \
                     limit needs a price"
                ));
            }
        }
        Ok(())
    }
}

/// What a chain may name.
const ALLOWED: &str = "auto, openai, google, deepgram, whisper, command, pocketsphinx";

/// The engines in the order they are tried; never empty. Those that are programs get their audio in
/// files in the folder. Blocks while a model is loaded.
///
/// # Errors
/// A sentence that names the wrong setting, or the ways to get an engine where there is none.
pub fn chosen(settings: &EnginesSettings, folder: &Path) -> Result<Vec<Arc<dyn Engine>>, String> {
    settings.check_prices()?;
    let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
    for name in &settings.chain {
        if name == "auto" {
            engines.extend(automatic(settings, folder)?);
            continue;
        }
        engines.push(match name.as_str() {
            "openai" => within_limit(name, Openai::new(&settings.openai)?)?,
            "google" => within_limit(name, Google::new(&settings.google)?)?,
            "deepgram" => within_limit(name, Deepgram::new(&settings.deepgram)?)?,
            "whisper" => whisper::open(&settings.whisper)?,
            "command" => within_limit(name, Command::new(&settings.command, folder)?)?,
            "pocketsphinx" => Arc::new(PocketSphinx::new(&settings.pocketsphinx, folder)?),
            other => {
                return Err(format!(
                    "transcriber.engines.chain contains {other:?}; allowed are {ALLOWED}"
                ));
            }
        });
    }
    if engines.is_empty() {
        return Err(format!("transcriber.engines.chain is empty; allowed are {ALLOWED}"));
    }
    Ok(engines)
}

/// The engine, if a day's limit pays for one piece of the longest: else a call with such a piece would
/// find the limit spent every day, and park its account for the rest of it.
fn within_limit(name: &str, engine: impl Engine) -> Result<Arc<dyn Engine>, String> {
    let longest_ms = engine.cut_rule().longest_ms;
    let price = engine.microusd_per_minute().unwrap_or(0);
    let piece = price::cost_microusd(price, longest_ms);
    match engine.microusd_per_day() {
        Some(limit) if limit < piece => {
            let usd = |microusd: u64| microusd as f64 / 1e6;
            Err(format!(
                "transcriber.engines.{name}.usd_per_day is {}, and its longest piece ({} s) costs {}: \
                 allowed is that and more",
                usd(limit),
                longest_ms / 1000,
                usd(piece)
            ))
        }
        _ => Ok(Arc::new(engine)),
    }
}

fn automatic(settings: &EnginesSettings, folder: &Path) -> Result<Vec<Arc<dyn Engine>>, String> {
    if settings.openai.is_configured() {
        return Ok(vec![within_limit("openai", Openai::new(&settings.openai)?)?]);
    }
    if settings.command.template.is_some() {
        return Ok(vec![within_limit("command", Command::new(&settings.command, folder)?)?]);
    }
    let pocketsphinx = PocketSphinx::new(&settings.pocketsphinx, folder);
    if settings.whisper.model.is_some() {
        let mut engines = vec![whisper::open(&settings.whisper)?];
        engines.extend(pocketsphinx.ok().map(|engine| Arc::new(engine) as Arc<dyn Engine>));
        return Ok(engines);
    }
    match pocketsphinx {
        Ok(engine) => Ok(vec![Arc::new(engine)]),
        Err(missing) => Err(format!(
            "no speech engine: set transcriber.engines.openai.api_key \
             (CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__API_KEY) for OpenAI, or \
             transcriber.engines.openai.base_url for a Whisper server of your own, or \
             transcriber.engines.whisper.model for a model file on this machine (`make model` \
             fetches one), or transcriber.engines.command.template for a program on this machine. \
             {missing}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(settings: &EnginesSettings) -> Result<Vec<Arc<dyn Engine>>, String> {
        super::chosen(settings, &std::env::temp_dir())
    }

    fn names(settings: &EnginesSettings) -> Vec<String> {
        chosen(settings).unwrap().iter().map(|engine| engine.identity().name).collect()
    }

    #[test]
    fn a_configured_endpoint_is_the_automatic_choice_before_a_program() {
        chassis::install_tls();
        let mut settings = EnginesSettings::default();
        settings.command.template = Some("cat {audio}".into());
        assert_eq!(names(&settings), ["command"]);
        settings.openai.base_url = Some("http://127.0.0.1:1/v1".into());
        assert_eq!(names(&settings), ["openai"]);
        settings.chain = vec!["command".into(), "openai".into()];
        assert_eq!(names(&settings), ["command", "openai"]);
    }

    #[test]
    fn without_any_engine_the_start_names_the_ways_to_get_one() {
        let mut settings = EnginesSettings::default();
        settings.pocketsphinx.program = Some("/no/such/pocketsphinx".into());
        let sentence = chosen(&settings).err().unwrap();
        for way in [
            "api_key",
            "base_url",
            "whisper.model",
            "make model",
            "command.template",
            "apt-get install",
            "brew",
        ] {
            assert!(sentence.contains(way), "{way}: {sentence}");
        }
    }

    #[test]
    fn a_model_that_cannot_be_used_stops_the_start() {
        let mut settings = EnginesSettings::default();
        settings.whisper.model = Some("/no/such/model.bin".into());
        let sentence = chosen(&settings).err().unwrap();
        let expected = if super::super::WHISPER_IS_BUILT_IN {
            "/no/such/model.bin"
        } else {
            "--features whisper"
        };
        assert!(sentence.contains(expected), "{sentence}");
    }

    #[test]
    fn a_limit_without_a_price_stops_the_start() {
        chassis::install_tls();
        let mut settings = EnginesSettings::default();
        settings.openai.base_url = Some("http://127.0.0.1:1/v1".into());
        settings.openai.usd_per_day = Some(5.0);
        let sentence = chosen(&settings).err().unwrap();
        assert!(sentence.contains("transcriber.engines.openai.usd_per_day"), "{sentence}");
        settings.openai.usd_per_minute = Some(0.006);
        assert_eq!(names(&settings), ["openai"]);
        // Five minutes.
        settings.openai.usd_per_day = Some(0.029);
        for chain in ["openai", "auto"] {
            settings.chain = vec![chain.into()];
            let sentence = chosen(&settings).err().unwrap();
            assert!(sentence.contains("openai.usd_per_day is 0.029"), "{sentence}");
            assert!(sentence.contains("(300 s) costs 0.03:"), "{sentence}");
        }
        settings.openai.usd_per_day = Some(0.03);
        assert_eq!(names(&settings), ["openai"]);
        settings.command.usd_per_day = Some(1.0);
        let sentence = chosen(&settings).err().unwrap();
        assert!(sentence.contains("transcriber.engines.command.usd_per_day"), "{sentence}");
    }

    #[test]
    fn an_amount_that_is_none_stops_the_start() {
        chassis::install_tls();
        let mut settings = EnginesSettings::default();
        settings.openai.base_url = Some("http://127.0.0.1:1/v1".into());
        settings.openai.usd_per_minute = Some(0.006);
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            settings.openai.usd_per_day = Some(wrong);
            let sentence = chosen(&settings).err().unwrap();
            let expected = format!("transcriber.engines.openai.usd_per_day is {wrong}; allowed");
            assert!(sentence.contains(&expected), "{sentence}");
        }
        settings.openai.usd_per_day = None;
        settings.command.usd_per_minute = -0.1;
        let sentence = chosen(&settings).err().unwrap();
        assert!(sentence.contains("transcriber.engines.command.usd_per_minute"), "{sentence}");
    }

    #[test]
    fn a_language_that_is_no_code_stops_the_start() {
        chassis::install_tls();
        let mut settings = EnginesSettings::default();
        settings.openai.base_url = Some("http://127.0.0.1:1/v1".into());
        settings.openai.languages = vec!["he".into(), "iw".into()];
        let sentence = chosen(&settings).err().unwrap();
        assert!(sentence.contains("transcriber.engines.openai.languages is \"iw\""), "{sentence}");
        settings.openai.languages.pop();
        let engine = &chosen(&settings).unwrap()[0];
        assert_eq!(["he", "en"].map(|language| engine.knows(language)), [true, false]);
    }

    #[test]
    fn an_unknown_engine_is_named_with_those_that_are_allowed() {
        let settings = EnginesSettings { chain: vec!["wisper".into()], ..Default::default() };
        let sentence = chosen(&settings).err().unwrap();
        assert!(sentence.contains("wisper") && sentence.contains("pocketsphinx"), "{sentence}");
    }
}
