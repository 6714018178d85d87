use super::*;

fn warned(text: &str) -> Vec<String> {
    let loaded = read(text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    loaded.warnings.iter().map(Mistake::to_string).collect()
}

#[test]
fn a_queue_that_could_not_work_is_told_with_all_that_is_wrong() {
    let told = mistakes(&format!(
        "{GOOD}[queue]\nretries = []\nat_once = 0\nconnections = 0\nhold = \"0s\"\nnotices = \"wrold\"\n\
         [route.world]\nupstream = \"192.0.2.1:25\"\n[domain.\"example.org\"]\nhold = \"0s\"\n"
    ));
    for want in [
        "9:11: queue.retries",
        "10:11: queue.at_once",
        "11:15: queue.connections",
        "12:8: queue.hold",
        "13:11: queue.notices",
        "17:8: domain.\"example.org\".hold",
    ] {
        let here = format!("gatepost.toml:{want}: ");
        assert!(told.iter().any(|line| line.starts_with(&here)), "{want} in {told:#?}");
    }
    assert!(
        told.iter().any(|line| line.contains("did you mean `world`?")),
        "{told:#?}"
    );
}

#[test]
fn a_domain_that_holds_mail_without_anybody_being_told_of_it_is_a_warning_and_once() {
    let hold = "[domain.\"example.org\"]\nhold = \"2d\"\n[domain.\".example.org\"]\nhold = \"2d\"\n";
    let told = warned(&format!("{GOOD}{hold}"));
    let of_notices = told.iter().filter(|line| line.contains("no sender is told"));
    assert_eq!(of_notices.count(), 1, "{told:#?}");
    let told = warned(&format!(
        "{GOOD}{hold}[queue]\nnotices = \"world\"\n[route.world]\nupstream = \"192.0.2.1:25\"\n"
    ));
    assert!(
        !told
            .iter()
            .any(|line| line.contains("notices") || line.contains("route.world")),
        "{told:#?}"
    );
}

#[test]
fn what_is_written_about_the_queue_is_what_it_gets() {
    let file = format!("{GOOD}[queue]\nsize = \"1 GiB\"\nretries = [\"2m\"]\nwarn_after = \"0s\"\nat_once = 3\n");
    let loaded = read(&file, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let settings = loaded.config.queue.settings();
    assert_eq!(settings.spool.octets, 1 << 30);
    assert_eq!(settings.pace.retries, [std::time::Duration::from_mins(2)]);
    assert_eq!((settings.pace.warn_after, settings.pace.at_once), (None, 3));
    let usual = Queue::default().settings();
    assert_eq!(
        usual,
        gatepost_queue::Settings::default(),
        "the defaults are those of the queue"
    );
}
