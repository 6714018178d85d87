//! The code that a refusal told, for a script that comes again with it.

/// The last code that was told.
#[derive(Default)]
pub(super) struct Codes(Option<String>);

impl Codes {
    /// Reads a reply: what follows `the code`.
    pub(super) fn hear(&mut self, reply: &str) {
        let told = reply
            .split_once("the code ")
            .and_then(|(_, rest)| rest.split(' ').next());
        if let Some(code) = told {
            self.0 = Some(code.into());
        }
    }

    /// A line with the code in place of `{code}`, and in capitals in place of `{CODE}`; as it is where none was told.
    pub(super) fn fill(&self, line: &str) -> String {
        match &self.0 {
            Some(code) => line
                .replace("{code}", code)
                .replace("{CODE}", &code.to_ascii_uppercase()),
            None => line.into(),
        }
    }
}
