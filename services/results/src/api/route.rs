//! What a route is: how it is called, what it takes, what it answers, and who does the work.
//!
//! The same table dispatches requests ([`Route::names`], [`super::routes`]), checks them
//! ([`super::params`]) and describes them ([`super::openapi`]).

use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use warp::reply::Response;

use super::{Api, Problem, Request, access::Scope, kind::Kind};

/// Does the work of a route.
pub type Handler = for<'a> fn(&'a Api, &'a Request) -> BoxFuture<'a, Result<Response, Problem>>;

/// Makes the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A method, in a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One method of one path.
pub struct Route {
    /// The method.
    pub method: Verb,
    /// The path; `{name}` stands for a segment that is one of `segments`.
    pub path: &'static str,
    /// What a token must allow; `None` is open to whoever reaches the API.
    pub scope: Option<Scope>,
    /// The name in client libraries, in snake_case.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else is worth knowing.
    pub description: &'static str,
    /// The variable segments of the path.
    pub segments: &'static [Parameter],
    /// Query parameters; all others are refused.
    pub query: &'static [Parameter],
    /// Headers that change the answer.
    pub headers: &'static [Parameter],
    /// The body, where it takes one.
    pub body: Option<SchemaOf>,
    /// What it answers when it does what was asked.
    pub answers: &'static [Answer],
    /// Problems of its own: status and when. Those of every route are added by
    /// [`Route::all_problems`].
    pub problems: &'static [(u16, &'static str)],
    /// Who does the work.
    pub handler: Handler,
}

impl Route {
    /// A route without parameters, body or problems of its own, to fill up from.
    pub const fn get(path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self {
            method: Verb::Get,
            path,
            scope: Some(Scope::Read),
            name,
            summary: "",
            description: "",
            segments: &[],
            query: &[],
            headers: &[],
            body: None,
            answers: &[],
            problems: &[],
            handler,
        }
    }

    /// The variable segments of a path, when it is this route's.
    pub fn names<'p>(&self, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
        let mut names = Vec::new();
        let mut wanted = self.path.trim_matches('/').split('/');
        for segment in path.trim_matches('/').split('/') {
            let own = wanted.next()?;
            match own.strip_prefix('{').and_then(|own| own.strip_suffix('}')) {
                Some(name) => names.push((name, segment)),
                None if own == segment => {}
                None => return None,
            }
        }
        wanted.next().is_none().then_some(names)
    }

    /// Every problem it may answer with: status and when, by status.
    pub fn all_problems(&self) -> Vec<(u16, &'static str)> {
        let mut all = vec![
            (400, "A parameter is unknown, missing or wrong; the answer names it."),
            (403, "The token does not allow it, or the request comes from another site."),
            (429, "Too many requests; `Retry-After` says when to come again."),
            (500, "Something went wrong here."),
            (503, "The database, the queue or Twilio cannot be used now; try again."),
        ];
        if self.scope.is_some() {
            all.push((401, "There is no token, or it is not known."));
        }
        if self.body.is_some() {
            all.push((413, "The body is larger than 65536 bytes."));
            all.push((415, "The body is not `application/json`."));
            all.push((422, "The body, or what was asked for as a whole, cannot be used."));
        }
        all.retain(|(status, _)| self.problems.iter().all(|(own, _)| own != status));
        all.extend(self.problems);
        all.sort_by_key(|(status, _)| *status);
        all
    }
}

/// A parameter in path, query or headers.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// What it is for.
    pub description: &'static str,
}

impl Parameter {
    /// One that may be left out.
    pub const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, required: false, description }
    }

    /// One that must be given.
    pub const fn required(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, required: true, description }
    }
}

/// An answer of a route that did what was asked.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// When, or what it holds.
    pub description: &'static str,
    /// Media types and what they hold.
    pub content: &'static [(&'static str, Content)],
    /// Headers that mean something: name and what.
    pub headers: &'static [(&'static str, &'static str)],
}

impl Answer {
    /// 200 with JSON.
    pub const fn json(content: &'static [(&'static str, Content)]) -> Self {
        Self { status: 200, description: "What was asked for.", content, headers: &[] }
    }
}

/// What a body holds.
pub enum Content {
    /// JSON of this schema.
    Json(SchemaOf),
    /// A text.
    Text,
    /// Bytes.
    Binary,
}

/// JSON, in [`Answer::content`].
pub const JSON: &str = "application/json";

/// The schema of a type, kept among the description's components.
pub fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_recognised_with_its_variable_segments_and_with_a_slash_at_its_end() {
        fn nobody<'a>(_: &'a Api, _: &'a Request) -> BoxFuture<'a, Result<Response, Problem>> {
            Box::pin(async { Err(Problem::not_found("")) })
        }
        let route = Route::get("/v1/calls/{sid}/audio", "audio", nobody);
        assert_eq!(route.names("/v1/calls/CA1/audio/"), Some(vec![("sid", "CA1")]));
        for other in ["/v1/calls/CA1", "/v1/calls/CA1/audio/x", "/v1/leads/CA1/audio", "/"] {
            assert_eq!(route.names(other), None, "{other}");
        }
    }
}
