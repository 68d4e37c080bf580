# Was Menschen auf den Seiten des Ausstellers lesen, auf Deutsch. Einfache Wörter, kurze Sätze.
# Jede Sprache hat dieselben Meldungen mit denselben Variablen; ein Test vergleicht sie.

# Der Rahmen
skip = Zum Inhalt springen
product = Countersign

# Wohin eine Antwort geht
to-site = Sie werden zu { $host } weitergeleitet.
to-loopback = Sie werden zu einer App auf diesem Computer weitergeleitet ({ $host }).
to-app = Sie werden zu der App auf diesem Gerät weitergeleitet, die „{ $scheme }“-Links öffnet.

# Anmelden
sign-in-title = Anmelden
sign-in-to = Anmelden, um mit { $client } fortzufahren
username = Benutzername oder E-Mail-Adresse
password = Passwort
sign-in-button = Anmelden
forgotten = Passwort vergessen?
sign-in-elsewhere = Andere Wege, sich anzumelden
sign-in-with = Mit { $provider } anmelden
wrong-password = Benutzername und Passwort passen nicht zusammen. Prüfen Sie beides und versuchen Sie es noch einmal.
wrong-throttled = Es waren zu viele Versuche. Warten Sie { $seconds ->
    [one] eine Sekunde
   *[other] { $seconds } Sekunden
 } und versuchen Sie es dann noch einmal.
wrong-busy = Gerade melden sich viele Menschen an. Bitte versuchen Sie es gleich noch einmal.

# Zustimmung
consent-title = { $client } bittet um Zugriff
consent-question = Darf { $client } Ihr Konto benutzen?
consent-lead = Erlaubt ist nur, was hier angekreuzt ist.
consent-nothing = Die Anwendung erfährt, wer Sie sind, und sonst nichts.
consent-list = Was Sie erlauben
required = notwendig
lasting = Der Zugriff bleibt auch in Ihrer Abwesenheit bestehen, bis er zurückgenommen wird.
not-you = Sind Sie das nicht?
other-account = Anderes Konto verwenden
signed-in-as = Angemeldet als { $user }
allow = Erlauben
deny = Ablehnen
scope-openid = Wissen, wer Sie bei diesem Dienst sind
scope-profile = Ihren Namen und Ihr Profil sehen
scope-email = Ihre E-Mail-Adresse sehen
scope-phone = Ihre Telefonnummer sehen
scope-address = Ihre Postanschrift sehen
scope-offline_access = Auch in Ihrer Abwesenheit zugreifen

# Ein Gerät
device-title = Gerät verbinden
device-enter-lead = Geben Sie den Code ein, den Ihr Gerät oder Terminal anzeigt.
device-code = Code
device-code-hint = Acht Buchstaben, zum Beispiel BCDF-GHJK. Groß- und Kleinschreibung und der Strich sind egal.
continue = Weiter
device-wrong = Dieser Code ist nicht bekannt oder gilt nicht mehr. Prüfen Sie ihn, oder beginnen Sie auf Ihrem Gerät neu.
device-too-many = Es waren zu viele Versuche. Warten Sie einen Moment und versuchen Sie es dann noch einmal.
device-question = { $client } mit Ihrem Konto verbinden?
device-warning = Fahren Sie nur fort, wenn Sie das selbst begonnen haben. Wenn Ihnen jemand einen Link oder Code geschickt hat, wählen Sie „{ deny }“: Sonst käme er in Ihr Konto.
device-compare = Ihr Gerät zeigt diesen Code
device-from = Angefragt von
device-ago = { $minutes ->
    [0] vor weniger als einer Minute
    [one] vor einer Minute
   *[other] vor { $minutes } Minuten
 }
unknown-address = einer unbekannten Adresse

# Abmelden
sign-out-title = Abmelden
sign-out-question = Möchten Sie sich abmelden?
sign-out-asked-by = { $client } bittet darum, Sie hier abzumelden.
sign-out-lead = Um sich in diesem Browser wieder anzumelden, brauchen Sie Ihr Passwort.
sign-out-button = Abmelden
stay = Angemeldet bleiben

# Hinweise
notice-signed-out = Sie sind abgemeldet
notice-signed-out-words = Sie können diese Seite schließen.
notice-device-allowed = Ihr Gerät ist verbunden
notice-device-allowed-words = Sie können diese Seite schließen und zu Ihrem Gerät zurückkehren.
notice-device-denied = Es wurde nichts verbunden
notice-device-denied-words = Das Gerät hat keinen Zugriff bekommen. Sie können diese Seite schließen.
notice-reset-sent = Sehen Sie in Ihre E-Mail
notice-reset-sent-words = Wenn es ein solches Konto gibt, haben wir einen Link für ein neues Passwort an seine Adresse geschickt. Er gilt für kurze Zeit.
notice-password-changed = Ihr Passwort ist geändert
notice-password-changed-words = Sie wurden überall abgemeldet. Melden Sie sich mit dem neuen Passwort an.
notice-email-verified = Ihre E-Mail-Adresse ist bestätigt
notice-email-verified-words = Danke. Sie können diese Seite schließen.

# Das Konto
account = Ihr Konto
account-sessions = Sitzungen
account-sessions-title = Wo Sie angemeldet sind
account-sessions-lead = Wenn Sie etwas davon nicht kennen, melden Sie es ab und ändern Sie Ihr Passwort. Was hier abgemeldet wird, wird bei der nächsten Anfrage abgewiesen.
account-web-sessions = Anwendungen dieses Dienstes
account-apps = Apps
account-apps-title = Apps mit Zugriff auf Ihr Konto
account-apps-lead = Jede davon kann tun, was hier steht, bis Sie ihr den Zugriff nehmen.
account-apps-none = Sie haben keiner App Zugriff auf Ihr Konto gegeben.
account-password = Passwort
account-password-title = Passwort ändern
account-password-lead = Sie werden überall sonst abgemeldet, und Apps müssen neu fragen.
this-browser = dieser Browser
unknown-browser = Unbekannter Browser
session-began = Angemeldet { $when }
session-seen = zuletzt benutzt { $when }
session-from = von { $address }
show-more = Mehr anzeigen
everywhere = Überall abmelden
everywhere-words = Das beendet jede Sitzung, hier und in jedem anderen Browser, und alles, was Apps von Ihnen haben. Apps, die Sie erlauben, können wieder fragen, sobald Sie sich angemeldet haben.
everywhere-button = Überall abmelden
own-app = gehört zu diesem Dienst
allowed-since = Seit { $when }
remove-access = Zugriff entziehen
current-password = Bisheriges Passwort
account-identities = Andere Konten
account-identities-title = Konten, mit denen Sie sich anmelden
identities-lead = Wer sich bei einem davon anmelden kann, kann sich hier als Sie anmelden. Was hier getrennt wird, meldet niemanden mehr an.
identities-none = Sie melden sich nur mit Ihrem Passwort an.
identity-last = Das ist der einzige Zugang, der Ihnen bleibt. Verbinden Sie erst ein anderes Konto, oder bitten Sie um ein Passwort.
disconnect = Trennen
connect-lead = Ein anderes Konto verbinden
connect = { $provider } verbinden
account-keys = API-Schlüssel
account-keys-title = Ihre API-Schlüssel
account-keys-lead = Ein Schlüssel handelt für Sie. Was hier widerrufen wird, wird bei der nächsten Anfrage abgewiesen.
account-keys-none = Sie haben keine API-Schlüssel.
make-key = Schlüssel anlegen
key-name = Wofür er ist
key-days = Wie lange er gilt
days = { $days ->
    [one] einen Tag
   *[other] { $days } Tage
 }
may-do = Was erlaubt ist
made-at = angelegt { $when }
ends-at = bis { $when }
ended = beendet
revoke = Widerrufen
delete = Löschen
key-made = Der Schlüssel „{ $name }“ wurde angelegt.
secret = Geheimnis
shown-once = Bewahren Sie es jetzt sicher auf. Es wird nicht noch einmal gezeigt, niemandem.
already-made = „{ $name }“ wurde schon mit demselben Formular angelegt. Das Geheimnis wurde damals gezeigt.
account-clients = Ihre Anwendungen
account-clients-title = Anwendungen, die Sie registriert haben
account-clients-lead = Diese können andere per OAuth um Zugriff auf deren Konten bitten.
account-clients-none = Sie haben keine Anwendung registriert.
register-client = Anwendung registrieren
client-name = Name, wie ihn andere sehen
redirect-uris = Redirect-URIs
redirect-uris-hint = Eine je Zeile: wohin zurückgeleitet wird. Sie müssen Byte für Byte stimmen.
client-kind = Wo sie läuft
client-server = Auf einem Server, der ein Geheimnis wahrt
client-public = In Browsern oder auf Geräten, die kein Geheimnis wahren können
client-made = „{ $name }“ ist registriert.
change = Ändern
save = Speichern
new-secret = Neues Geheimnis
turn-off = Abschalten
turn-on = Einschalten
turned-off = abgeschaltet
secret-made = Für „{ $name }“ gibt es ein neues Geheimnis. Die vorigen gelten noch eine Weile.
not-possible = Das wurde nicht getan: { $why }
registered-by-user = Jemand, der diesen Dienst benutzt, hat diese Anwendung registriert. Niemand hier hat sie geprüft.

# Passwort und E-Mail
reset-title = Passwort zurücksetzen
reset-lead = Geben Sie Ihren Benutzernamen oder Ihre E-Mail-Adresse ein. Wir senden einen Link an die Adresse des Kontos.
reset-button = Link senden
choose-title = Neues Passwort wählen
choose-lead = Nehmen Sie mindestens { $least } Zeichen. Ein paar Wörter ohne Zusammenhang sind leicht zu merken und schwer zu raten.
new-password = Neues Passwort
choose-button = Passwort ändern
choose-weak = Dieses Passwort ist zu kurz oder zu bekannt. Wählen Sie ein anderes.
verify-title = E-Mail-Adresse bestätigen
verify-lead = Bestätigen Sie, dass { $email } Ihre Adresse ist.
verify-button = Bestätigen

# Weiter mit einem Formular
form-post-title = Einen Moment
form-post-words = Wählen Sie „{ continue }“, um zur Anwendung zurückzukehren.

# Was schiefging
problem-request = Dieser Link funktioniert nicht
problem-request-words = Die Anwendung hat Sie mit einer Anfrage hierher geschickt, der wir nicht folgen können. Es wurde nichts weitergegeben. Gehen Sie zur Anwendung zurück und versuchen Sie es noch einmal; wenn es wieder geschieht, sagen Sie es denen, die sie betreiben.
problem-sign-in = Sie sind nicht angemeldet
problem-sign-in-words = Die Anmeldung wurde nicht abgeschlossen: Sie wurde abgebrochen, hat zu lange gedauert oder begann in einem anderen Browser. Nichts ging verloren. Bitte versuchen Sie es noch einmal.
problem-provider = Die andere Website hat nicht geantwortet, wie sie sollte
problem-provider-words = Sie sind nicht angemeldet, und es wurde nichts geändert. Bitte versuchen Sie es gleich noch einmal, oder melden Sie sich auf einem anderen Weg an. Wenn es wieder geschieht, sagen Sie es denen, die diese Seite betreiben, mit der Referenz unten.
problem-stranger = Dieses Konto kennt hier niemand
problem-stranger-words = Sie haben sich dort angemeldet, aber dieses Konto gehört niemandem, der sich hier anmelden darf. Wenn Sie hier ein Konto haben, melden Sie sich auf einem anderen Weg an und verbinden Sie das andere auf Ihrer Kontoseite. Wenn nicht, fragen Sie die, die diese Seite betreiben.
problem-taken = Dieses Konto ist schon verbunden
problem-taken-words = Es gehört hier jemand anderem. Es wurde nichts geändert.
problem-stale = Diese Seite ist veraltet
problem-stale-words = Vielleicht haben Sie sich in einem anderen Tab an- oder abgemeldet, oder die Seite war zu lange offen. Es wurde nichts geändert.
problem-link = Dieser Link gilt nicht mehr
problem-link-words = Ein Link gilt einmal und für kurze Zeit. Es wurde nichts geändert. Wenn Sie ihn noch brauchen, fordern Sie einen neuen an.
problem-foreign = Das wurde verhindert
problem-foreign-words = Eine andere Website wollte in Ihrem Namen handeln. Es wurde nichts geändert.
problem-missing = Hier ist nichts
problem-missing-words = Prüfen Sie die Adresse, oder gehen Sie dorthin zurück, woher Sie kamen.
problem-method = So lässt sich diese Seite nicht öffnen
problem-method-words = Gehen Sie dorthin zurück, woher Sie kamen, und versuchen Sie es noch einmal.
problem-many = Zu viele Versuche
problem-many-words = Warten Sie einen Moment und versuchen Sie es dann noch einmal.
problem-unavailable = Das geht gerade nicht
problem-unavailable-words = Das liegt an uns, nicht an Ihnen. Bitte versuchen Sie es gleich noch einmal.
again = Neu beginnen
for-operators = Für die Betreiber der Anwendung
error-code = Fehler
error-detail = Einzelheit
reference = Kennung

# Mail
mail-reset-subject = Neues Passwort wählen
mail-reset-words = Jemand, wahrscheinlich Sie, möchte ein neues Passwort für Ihr Konto wählen. Öffnen Sie dazu innerhalb von 30 Minuten diese Seite:
mail-verify-subject = E-Mail-Adresse bestätigen
mail-verify-words = Öffnen Sie innerhalb eines Tages diese Seite, um zu bestätigen, dass dies Ihre Adresse ist:
mail-ignore = Wenn Sie diese Mail nicht erwarten, tun Sie nichts: Es ändert sich nichts.
