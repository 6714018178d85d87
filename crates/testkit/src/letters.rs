//! Letters of two kinds of writers, to learn from: ham and spam whose words overlap, in several languages and forms. All
//! words are ours.
//!
//! **Invariant:** a seed gives the same letters on every machine, and a letter does not depend on how many follow.
//! **Absent on purpose:** anything but words and senders by which the two kinds could be told apart.

/// A letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Which kind wrote it.
    pub spam: bool,
    /// The mail.
    pub octets: Vec<u8>,
}

/// Words of a language: those that all use, those of ham, those of spam.
struct Language {
    all: &'static str,
    ham: &'static str,
    spam: &'static str,
    /// What stands between two words.
    gap: &'static str,
}

const LANGUAGES: [Language; 5] = [
    Language {
        all: "the and of to in we you is that for with have this will your from our can more please about today new time if",
        ham: "meeting draft minutes review garden school train kernel patch compiler lunch choir proof chapter student \
              repair bicycle museum weather library recipe puppy violin harbour",
        spam: "winner offer cheap pills casino credit loan guarantee discount limited bonus profit click jackpot luxury \
               watches miracle diet refinance inheritance lottery exclusive unsubscribe bargain",
        gap: " ",
    },
    Language {
        all: "der die das und wir ist nicht mit auf ein eine zu von heute bitte mehr noch wenn aber auch nur dass ihr uns",
        ham: "sitzung entwurf protokoll garten schule fahrrad bibliothek wetter kapitel werkstatt konzert rechnungspruefer \
              zugfahrt nachbar kuchen probe wanderung fehlerbericht",
        spam: "gewinner angebot billig kredit garantie rabatt gratis verdienst klicken luxus erbschaft lotterie diaet \
               exklusiv sofortkauf schnell reich abnehmen",
        gap: " ",
    },
    Language {
        all: "le la les et de nous vous est pas avec sur une pour aujourd'hui plus encore si mais aussi que dans votre notre",
        ham: "réunion brouillon jardin école vélo bibliothèque météo chapitre atelier concert randonnée voisin gâteau \
              répétition thèse bogue traduction musée",
        spam: "gagnant offre promo crédit garantie remise gratuit argent cliquez luxe héritage loterie régime exclusif achat \
               rapide riche maigrir",
        gap: " ",
    },
    Language {
        all: "и в не на что мы вы это с для по как сегодня ещё если но тоже только из от наш ваш будет есть",
        ham: "собрание черновик протокол сад школа велосипед библиотека погода глава мастерская концерт прогулка сосед пирог \
              репетиция ошибка перевод музей",
        spam: "победитель предложение дёшево кредит гарантия скидка бесплатно прибыль нажмите роскошь наследство лотерея \
               диета срочно богатство похудеть казино выигрыш",
        gap: " ",
    },
    Language {
        all: "我们 你们 今天 可以 这个 那个 因为 所以 还有 没有 时间 现在 一起 请问 谢谢 关于",
        ham: "会议 草稿 花园 学校 自行车 图书馆 天气 章节 音乐会 邻居 蛋糕 排练 散步 错误报告 翻译 博物馆",
        spam: "中奖 优惠 便宜 贷款 保证 折扣 免费 利润 点击 奢侈品 遗产 彩票 减肥 独家 发财 赌场",
        gap: "",
    },
];

const DOMAINS: [&str; 12] = [
    "lake.example",
    "hill.example",
    "moor.example",
    "ford.example",
    "wood.example",
    "dale.example",
    "cape.example",
    "isle.example",
    "peak.example",
    "cove.example",
    "glen.example",
    "reef.example",
];

/// A source of letters.
#[derive(Clone, Debug)]
pub struct Letters {
    state: u64,
    number: u64,
    /// Words of the other kind in a hundred of a letter's telling words.
    blur: usize,
}

impl Letters {
    /// Letters from a seed. Of the words that tell a kind, one in five belongs to the other.
    pub fn new(seed: u64) -> Letters {
        Letters {
            state: seed,
            number: 0,
            blur: 20,
        }
    }

    /// The same with so many words of the other kind in a hundred: 0 is easy, 50 is hopeless.
    #[must_use]
    pub fn blurred(mut self, blur: usize) -> Letters {
        self.blur = blur.min(50);
        self
    }

    /// The next letter, of either kind; two of five are spam.
    pub fn letter(&mut self) -> Letter {
        let spam = self.below(5) < 2;
        self.letter_of(spam)
    }

    /// The next so many letters.
    pub fn take(&mut self, n: usize) -> Vec<Letter> {
        (0..n).map(|_| self.letter()).collect()
    }

    /// The next letter, of one kind.
    pub fn letter_of(&mut self, spam: bool) -> Letter {
        let language = [0, 0, 0, 1, 2, 3, 4][self.below(7)];
        let subject_words = 2 + self.below(4);
        let subject = self.words(language, spam, subject_words);
        let length = [12, 25, 40, 80, 160][self.below(5)];
        let text = self.words(language, spam, length);
        let form = self.below(5);
        Letter {
            spam,
            octets: self.mail(spam, &subject, &text, form),
        }
    }

    /// A mail of one kind with this subject and text, in the plainest form.
    pub fn plain(&mut self, spam: bool, subject: &str, text: &str) -> Vec<u8> {
        self.mail(spam, subject, text, 0)
    }

    /// A mail of one kind with a body of its own: what follows the fields that every letter has, from `MIME-Version` on.
    pub fn with_body(&mut self, spam: bool, subject: &str, rest: &str) -> Vec<u8> {
        let mut mail = self.head(spam, subject);
        mail.push_str(rest);
        mail.into_bytes()
    }

    /// So many words of one kind in a language, from 0 to 4.
    pub fn words(&mut self, language: usize, spam: bool, n: usize) -> String {
        let language = &LANGUAGES[language % LANGUAGES.len()];
        let mut out = String::new();
        for at in 0..n {
            if at > 0 {
                out.push_str(if at % 9 == 0 { ".\r\n" } else { language.gap });
            }
            let word = match self.below(100) {
                0..60 => self.one_of(language.all),
                60..92 => {
                    let other = self.below(100) < self.blur;
                    self.one_of(if spam != other { language.spam } else { language.ham })
                }
                _ => self.name(),
            };
            out.push_str(&word);
        }
        out + "."
    }

    /// All words by which ham of a language is told, from 0 to 4.
    pub fn ham_vocabulary(language: usize) -> String {
        let language = &LANGUAGES[language % LANGUAGES.len()];
        format!("{} {}", language.ham, language.all)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn head(&mut self, spam: bool, subject: &str) -> String {
        self.number += 1;
        // Two of three senders are from the half of the domains where their kind is at home.
        let home = spam == (self.below(3) > 0);
        let domain = DOMAINS[self.below(6) + if home { 6 } else { 0 }];
        let (person, number) = (self.name(), self.number);
        let subject = if subject.is_ascii() {
            subject.replace("\r\n", " ")
        } else {
            format!(
                "=?utf-8?B?{}?=",
                base64(subject.replace("\r\n", " ").as_bytes()).replace("\r\n", "")
            )
        };
        format!(
            "Received: from mail.{domain} (mail.{domain} [192.0.2.{}])\r\n\tby mx.here.example with ESMTP id {number}\r\n\
             From: {person} <{person}@{domain}>\r\nTo: <p{}@here.example>\r\nSubject: {subject}\r\n\
             Message-ID: <{number}.{person}@{domain}>\r\n",
            self.below(200),
            self.below(30),
        )
    }

    fn mail(&mut self, spam: bool, subject: &str, text: &str, form: usize) -> Vec<u8> {
        let html = || {
            format!(
                "<html><body><p>{}</p></body></html>\r\n",
                text.replace(".\r\n", ".</p>\r\n<p>")
            )
        };
        let part = |kind: &str, text: &str| {
            format!(
                "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                base64(text.as_bytes())
            )
        };
        let rest = match form {
            0 | 1 => format!(
                "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
            ),
            2 => format!("MIME-Version: 1.0\r\n{}", part("plain", text)),
            3 => format!(
                "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}",
                html()
            ),
            _ => format!(
                "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"==b==\"\r\n\r\n--==b==\r\n{}\
                 --==b==\r\n{}--==b==--\r\n",
                part("plain", text),
                part("html", &html())
            ),
        };
        self.with_body(spam, subject, &rest)
    }

    fn one_of(&mut self, words: &str) -> String {
        let n = words.split_whitespace().count();
        let at = self.below(n);
        words.split_whitespace().nth(at).unwrap_or_default().into()
    }

    /// A word that nobody has seen, most of the time.
    fn name(&mut self) -> String {
        (0..2 + self.below(2))
            .map(|_| {
                let (first, second) = (self.below(16), self.below(5));
                format!("{}{}", &"bdfghklmnprstvwz"[first..=first], &"aeiou"[second..=second])
            })
            .collect()
    }

    /// Knuth's MMIX generator: spread enough for words.
    fn below(&mut self, n: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The step before hides that neighbouring seeds begin alike.
        let mixed = (self.state ^ (self.state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 33) as usize % n.max(1)
    }
}

/// Base64 in lines, each with its end.
pub fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for line in octets.chunks(57) {
        for three in line.chunks(3) {
            let bits = three.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
            for at in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
                out.push(if at > three.len() { '=' } else { digit.into() });
            }
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let plain = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let coded = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (plain, coded) in plain.iter().zip(coded) {
            assert_eq!(base64(plain.as_bytes()).trim_end(), coded);
        }
        assert_eq!(base64(&[0; 58]).lines().count(), 2);
    }

    #[test]
    fn a_seed_gives_the_same_letters_and_another_gives_others() {
        let (some, more) = (Letters::new(1).take(50), Letters::new(1).take(60));
        assert_eq!(some, more[..50]);
        assert_ne!(some, Letters::new(2).take(50));
        let spam = Letters::new(1).take(1_000).iter().filter(|letter| letter.spam).count();
        assert!((350..450).contains(&spam), "{spam}");
    }
}
