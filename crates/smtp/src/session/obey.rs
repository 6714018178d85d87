//! Commands: each is refused, obeyed on the spot, or becomes a question.

use super::{End, Greeting, Open, Question, Session, State, Step, Transaction, Why, says};
use super::{FLUSH_AFTER, FLUSH_AT};
use crate::address::Path;
use crate::command::{BadCommand, Command, Etrn, Helo, MailParams, RcptParams};
use crate::line::LineFault;
use crate::offer::Offer;
use crate::reply::Reply;

/// What came of one line.
enum Read {
    Command(Result<Command, BadCommand>),
    Fault(LineFault),
}

impl Session {
    /// Reads the next command, if it is there, and obeys it.
    pub(super) fn command(&mut self) -> Option<Step> {
        let waited = self.now.since(self.out_since).as_millis();
        if self.out.len() >= FLUSH_AT || (!self.out.is_empty() && waited >= u128::from(FLUSH_AFTER)) {
            return Some(Step::Write);
        }
        if self.draining && self.transaction.is_none() {
            self.close_with(&says::DRAINED, End::Drained);
            return None;
        }
        let all_of_it = self.settings.patience.session;
        if all_of_it.is_some_and(|all| self.now >= self.began + all) {
            self.close_with(&says::TIMEOUT, End::Timeout);
            return None;
        }
        let settings = &self.settings;
        let none = Offer::default();
        let offer = if self.greeting == Greeting::Helo {
            &none
        } else {
            &settings.offer
        };
        let mut alone = false;
        let read = match self.lines.next(settings.limits.command_line, settings.lf_tolerated) {
            Some(Ok(line)) => {
                alone = ends_a_group(line);
                Read::Command(Command::parse(line, offer))
            }
            Some(Err(fault)) => Read::Fault(fault),
            None if !self.out.is_empty() => return Some(Step::Write),
            None => {
                self.lines.release();
                self.out = Vec::new();
                let mut patience = settings.patience.command;
                if let Some(all) = all_of_it {
                    let since = self.waiting.unwrap_or(self.now);
                    patience = patience.min((self.began + all).since(since));
                }
                return self.wait_or_time_out(patience);
            }
        };
        self.waiting = None;
        if self.exhausted() && !matches!(read, Read::Command(Ok(Command::Quit))) {
            self.close_with(&says::TOO_MANY, End::TooMany);
            return None;
        }
        if !self.lines.is_empty() {
            if alone {
                self.too_early();
                return None;
            }
            if !self.may_pipeline() || matches!(read, Read::Command(Ok(Command::Helo(_)))) {
                self.facts.unasked_pipelining = true;
            }
        }
        match read {
            Read::Command(Ok(command)) => self.obey(command),
            Read::Command(Err(BadCommand::Foreign)) => {
                self.facts.foreign = true;
                self.close_with(&BadCommand::Foreign.reply(), End::Foreign);
                None
            }
            Read::Command(Err(bad)) => self.refuse(bad.reply()),
            Read::Fault(fault) => {
                self.facts.bad_line |= fault != LineFault::TooLong;
                self.refuse(match fault {
                    LineFault::TooLong => says::LINE_TOO_LONG,
                    LineFault::BareLf => says::BAD_LINE_END,
                    LineFault::BareCr | LineFault::Control => says::CONTROL,
                })
            }
        }
    }

    fn obey(&mut self, command: Command) -> Option<Step> {
        match command {
            Command::Helo(helo) => self.helo(helo),
            Command::Mail(from, params) => self.mail(from, params),
            Command::Rcpt(to, params) => self.rcpt(to, params),
            Command::Data => match self.transaction {
                None => self.refuse(says::MAIL_FIRST),
                Some(Transaction { granted: 0, .. }) => self.refuse(says::NO_RECIPIENTS),
                Some(_) => Some(self.ask(Question::Data, Open::Data)),
            },
            Command::Rset if self.transaction.is_none() => self.idle(says::OK),
            Command::Rset if self.is_too_much_junk() => None,
            Command::Rset => Some(self.ask(Question::Reset(Why::Rset), Open::Rset)),
            Command::Noop => self.idle(says::OK),
            Command::Vrfy => self.idle(says::VRFY),
            Command::Expn => self.idle(says::NOT_OFFERED),
            Command::Help => self.idle(says::HELP),
            Command::Quit => {
                self.close_with(&says::BYE, End::Quit);
                None
            }
            Command::StartTls => self.start_tls(),
            Command::Auth(mechanism, initial) => self.auth(mechanism, initial),
            Command::Etrn(whose) => self.etrn(whose),
            Command::NotOffered => self.refuse(says::NOT_OFFERED),
        }
    }

    fn helo(&mut self, helo: Helo) -> Option<Step> {
        if self.is_too_much_junk() {
            return None;
        }
        Some(match self.transaction {
            Some(_) => self.ask(Question::Reset(Why::Helo), Open::ResetByHelo(helo)),
            None => self.ask_helo(helo),
        })
    }

    pub(super) fn ask_helo(&mut self, helo: Helo) -> Step {
        let greeting = if helo.extended { Greeting::Ehlo } else { Greeting::Helo };
        self.ask(Question::Helo(helo), Open::Helo(greeting))
    }

    fn mail(&mut self, from: Path, params: MailParams) -> Option<Step> {
        let settings = &self.settings;
        let needs_utf8 = from.mailbox().is_some_and(|a| a.needs_utf8());
        if self.greeting == Greeting::None {
            return self.refuse(says::HELO_FIRST);
        }
        if self.transaction.is_some() {
            return self.refuse(says::NESTED_MAIL);
        }
        if settings.require_tls && self.tls.is_none() {
            return self.refuse(says::TLS_FIRST);
        }
        if settings.require_auth && !self.authenticated && !self.trusted {
            return self.refuse(says::AUTH_FIRST);
        }
        if self.facts.mails >= settings.limits.mails {
            self.close_with(&says::TOO_MANY, End::TooMany);
            return None;
        }
        if params.size.is_some_and(|size| size > settings.max_message()) {
            return self.refuse(says::TOO_LARGE);
        }
        if needs_utf8 && !params.smtputf8 {
            return self.refuse(says::NEEDS_SMTPUTF8);
        }
        self.facts.mails += 1;
        let begun = Transaction {
            smtputf8: params.smtputf8,
            prdr: params.prdr,
            ..Transaction::default()
        };
        Some(self.ask(Question::Mail { from, params }, Open::Mail(begun)))
    }

    fn rcpt(&mut self, to: Path, params: RcptParams) -> Option<Step> {
        let most = self.settings.limits.recipients;
        let Some(transaction) = &mut self.transaction else {
            return self.refuse(says::MAIL_FIRST);
        };
        transaction.asked = transaction.asked.saturating_add(1);
        if transaction.asked > most.saturating_mul(2) {
            // Whoever still has not noticed that there are too many is no mail server.
            return self.refuse(says::TOO_MANY_RECIPIENTS);
        }
        if transaction.granted >= most {
            return self.reply(says::TOO_MANY_RECIPIENTS);
        }
        if !transaction.smtputf8 && to.mailbox().is_some_and(|a| a.needs_utf8()) {
            return self.refuse(says::NEEDS_SMTPUTF8);
        }
        Some(self.ask(Question::Rcpt { to, params }, Open::Rcpt))
    }

    fn etrn(&mut self, whose: Etrn) -> Option<Step> {
        if self.greeting == Greeting::None {
            return self.refuse(says::HELO_FIRST);
        }
        if self.transaction.is_some() {
            return self.refuse(says::IN_TRANSACTION);
        }
        if self.is_too_much_junk() {
            return None;
        }
        Some(self.ask(Question::Etrn(whose), Open::Etrn))
    }

    fn start_tls(&mut self) -> Option<Step> {
        if !self.settings.offer.starttls {
            return self.refuse(says::NOT_OFFERED);
        }
        if self.tls.is_some() {
            return self.refuse(says::TLS_ACTIVE);
        }
        if self.greeting != Greeting::Ehlo {
            return self.refuse(says::EHLO_FIRST);
        }
        if self.transaction.is_some() {
            return self.refuse(says::IN_TRANSACTION);
        }
        self.say(&says::READY_FOR_TLS);
        self.lines.clear();
        self.go(State::Secure(false));
        None
    }

    fn auth(&mut self, mechanism: Box<str>, initial: Option<Box<str>>) -> Option<Step> {
        let offer = &self.settings.offer;
        if offer.auth.is_empty() {
            return self.refuse(says::NOT_OFFERED);
        }
        if self.tls.is_none() {
            return self.refuse(says::AUTH_WANTS_TLS);
        }
        if self.greeting != Greeting::Ehlo {
            return self.refuse(says::EHLO_FIRST);
        }
        if self.authenticated {
            return self.refuse(says::AUTHENTICATED);
        }
        if self.transaction.is_some() {
            return self.refuse(says::IN_TRANSACTION);
        }
        if !offer.has_auth(&mechanism) {
            return self.refuse(says::UNKNOWN_MECHANISM);
        }
        Some(self.ask(Question::Auth { mechanism, initial }, Open::Auth))
    }

    /// Reads the client's next line of an AUTH exchange.
    pub(super) fn auth_line(&mut self) -> Option<Step> {
        if !self.out.is_empty() {
            return Some(Step::Write);
        }
        if self.draining {
            self.close_with(&says::DRAINED, End::Drained);
            return None;
        }
        let settings = &self.settings;
        let line = match self.lines.next(settings.limits.auth_line, settings.lf_tolerated) {
            None => {
                let patience = settings.patience.command;
                return self.wait_or_time_out(patience);
            }
            Some(Ok(b"*")) => Err(says::AUTH_CANCELLED),
            Some(Ok(line)) if line.iter().all(|b| is_base64(*b)) => {
                String::from_utf8(line.to_vec()).map_err(|_| says::BAD_BASE64)
            }
            Some(Err(LineFault::TooLong)) => Err(says::AUTH_LINE_TOO_LONG),
            Some(_) => Err(says::BAD_BASE64),
        };
        if !self.lines.is_empty() {
            self.too_early();
            return None;
        }
        Some(match line {
            Ok(line) => self.ask(Question::AuthLine(line.into()), Open::Auth),
            Err(reply) => self.ask(Question::AuthCancelled, Open::AuthCancelled(reply)),
        })
    }

    /// Refuses and closes: octets came behind a command whose reply had to be awaited.
    pub(super) fn too_early(&mut self) {
        self.facts.early_data = true;
        self.close_with(&says::EARLY_DATA, End::EarlyData);
    }

    /// Says a reply and goes on with the next command.
    fn reply(&mut self, reply: Reply) -> Option<Step> {
        self.say(&reply);
        None
    }

    fn refuse(&mut self, reply: Reply) -> Option<Step> {
        self.facts.errors = self.facts.errors.saturating_add(1);
        self.reply(reply)
    }

    /// Answers a command that does nothing.
    fn idle(&mut self, reply: Reply) -> Option<Step> {
        if self.is_too_much_junk() {
            None
        } else {
            self.reply(reply)
        }
    }

    /// Counts a command that brings no mail, and closes if there were too many.
    fn is_too_much_junk(&mut self) -> bool {
        self.facts.junk = self.facts.junk.saturating_add(1);
        let too_much = self.facts.junk > self.settings.limits.junk;
        if too_much {
            self.close_with(&says::TOO_MANY, End::TooMany);
        }
        too_much
    }

    /// Whether no further command is welcome.
    fn exhausted(&self) -> bool {
        let limits = &self.settings.limits;
        self.facts.errors >= limits.errors || self.facts.auth_failures >= limits.auth_failures
    }
}

/// Whether nothing may follow this command before our reply, however the rest of the line looks: what follows is a
/// message, a handshake or credentials to the one who sent it, and must not be commands to us.
fn ends_a_group(line: &[u8]) -> bool {
    let verb = line.split(|b| *b == b' ').next().unwrap_or_default();
    [&b"DATA"[..], b"STARTTLS", b"AUTH", b"BDAT"]
        .iter()
        .any(|v| verb.eq_ignore_ascii_case(v))
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
