//! `gatepost jig`: the commands of TREC's jig on standard input, an answer a line on standard output.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use gatepost_training::Jig;
use gatepost_training::evaluate::trainer;

use super::{DONE, corpus};
use crate::config::Registry;

/// The most octets of a line.
const LINE_MAX: u64 = 64 * 1024;

/// Answers until there is no more input.
pub(super) fn run(registry: &Registry) -> Result<ExitCode, String> {
    let make = || trainer(registry, &[]);
    let read = |file: &str| corpus::mail(Path::new(file));
    let mut jig = Jig::new(&make, &read);
    converse(&mut jig, &mut std::io::stdin().lock(), &mut std::io::stdout().lock())
        .map_err(|error| format!("standard input or output: {error}"))?;
    Ok(DONE)
}

fn converse(jig: &mut Jig<'_>, input: &mut impl BufRead, output: &mut impl Write) -> std::io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let answer = if line.ends_with(b"\n") || (line.len() as u64) < LINE_MAX {
            match std::str::from_utf8(&line) {
                Ok(line) => jig.answer(line),
                Err(_) => "error the line is not UTF-8".into(),
            }
        } else {
            input.skip_until(b'\n')?;
            format!("error the line is longer than {LINE_MAX} octets")
        };
        match writeln!(output, "{answer}").and_then(|()| output.flush()) {
            // A reader that went away has read enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            done => done?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(input: &[u8]) -> Vec<String> {
        let make = || Err("nothing is linked here".into());
        let read = |file: &str| Err(format!("{file}: not there"));
        let mut output = Vec::new();
        converse(&mut Jig::new(&make, &read), &mut &input[..], &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_line_has_an_answer_and_no_mistake_ends_it() {
        let said = said(b"initialize\nclassify none\ntrain eggs x\n\n\xff\nfinalize");
        assert_eq!(said.len(), 6, "{said:?}");
        assert!(said[..5].iter().all(|answer| answer.starts_with("error ")), "{said:?}");
        assert_eq!(said[1], "error none: not there");
        assert_eq!(said[5], "ok");
    }

    #[test]
    fn a_line_without_an_end_is_one_mistake() {
        let mut input = vec![b'x'; LINE_MAX as usize + 10];
        input.extend_from_slice(b"\nfinalize\n");
        let said = said(&input);
        assert!(
            said[0].contains("longer") && said[1] == "ok" && said.len() == 2,
            "{said:?}"
        );
    }
}
