//! Any octets are a record of DMARC or none; what is one says the same with tags that nobody knows behind it, and a test is
//! never stricter than what it tests. A walk has at most eight steps, each above the one before.
#![no_main]

use gatepost_spf_dkim_dmarc::dmarc::record::Record;
use gatepost_spf_dkim_dmarc::dmarc::tree::{STEPS_MAX, organisation, steps};
use gatepost_spf_dkim_dmarc::names;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(record) = Record::parse(data) {
        if data.len() < 2_000 && data.iter().filter(|&&b| b == b';').count() < 40 {
            let more = [data, b"; zz=1; pct=0; ri=x"].concat();
            assert_eq!(Record::parse(&more).as_ref(), Some(&record));
        }
        let mut test = record.clone();
        test.testing = true;
        let mut real = record.clone();
        real.testing = false;
        assert!(test.for_domain() <= real.for_domain());
        for exists in [true, false] {
            assert!(test.for_below(exists) <= real.for_below(exists));
            assert_eq!(real.for_below(exists).is_some(), record.p.is_some());
        }
        // Whatever a walk finds, the organisation is on the way up.
        let domain = "a.b.c.d.example";
        for at in steps(domain) {
            let found = [(at, record.clone())];
            assert!(names::is_within(domain, organisation(domain, &found)));
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Some(name) = names::plain(&text) {
        assert_eq!(names::plain(&name).as_deref(), Some(&*name));
        let walked: Vec<&str> = steps(&name).collect();
        assert!((1..=STEPS_MAX).contains(&walked.len()));
        assert!(
            walked
                .windows(2)
                .all(|two| two[0].len() > two[1].len() && names::is_within(two[0], two[1]))
        );
    }
});
