# What people read on the pages of the issuer, in English. Plain words, short sentences.
# Every language has the same messages with the same variables; a test compares them.

# The frame
skip = Skip to the content
product = Countersign

# Where an answer is sent
to-site = You will be sent to { $host }.
to-loopback = You will be sent to an app on this computer ({ $host }).
to-app = You will be sent to the app on this device that opens “{ $scheme }” links.

# Sign in
sign-in-title = Sign in
sign-in-to = Sign in to continue to { $client }
username = Username or e-mail address
password = Password
sign-in-button = Sign in
forgotten = Forgotten your password?
sign-in-elsewhere = Other ways to sign in
sign-in-with = Sign in with { $provider }
wrong-password = That username and password do not match. Check both and try again.
wrong-throttled = There were too many attempts. Wait { $seconds ->
    [one] a second
   *[other] { $seconds } seconds
 }, then try again.
wrong-busy = Many people are signing in right now. Please try again in a moment.

# Consent
consent-title = { $client } wants access
consent-question = Allow { $client } to use your account?
consent-lead = It will be able to do what is ticked here, and nothing else.
consent-nothing = It learns who you are, and nothing else.
consent-list = What you allow
required = necessary
lasting = It keeps this access when you are not there, until it is taken back.
not-you = Not you?
other-account = Use another account
signed-in-as = Signed in as { $user }
allow = Allow
deny = Deny
scope-openid = Know who you are on this service
scope-profile = See your name and profile
scope-email = See your e-mail address
scope-phone = See your phone number
scope-address = See your postal address
scope-offline_access = Keep access when you are not there

# A device
device-title = Connect a device
device-enter-lead = Enter the code that your device or terminal shows.
device-code = Code
device-code-hint = Eight letters, such as BCDF-GHJK. Capitals and the dash do not matter.
continue = Continue
device-wrong = This code is not known, or it is no longer good. Check it, or start again on your device.
device-too-many = There were too many attempts. Wait a moment, then try again.
device-question = Connect { $client } to your account?
device-warning = Only continue if you started this yourself. If somebody sent you a link or a code, choose “{ deny }”: they would get into your account.
device-compare = Your device shows this code
device-from = Asked from
device-ago = { $minutes ->
    [0] less than a minute ago
    [one] a minute ago
   *[other] { $minutes } minutes ago
 }
unknown-address = an unknown address

# Sign out
sign-out-title = Sign out
sign-out-question = Do you want to sign out?
sign-out-asked-by = { $client } asks to sign you out here.
sign-out-lead = You will need your password to sign in again on this browser.
sign-out-button = Sign out
stay = Stay signed in

# Notices
notice-signed-out = You are signed out
notice-signed-out-words = You can close this page.
notice-device-allowed = Your device is connected
notice-device-allowed-words = You can close this page and go back to your device.
notice-device-denied = Nothing was connected
notice-device-denied-words = The device got no access. You can close this page.
notice-reset-sent = Check your e-mail
notice-reset-sent-words = If there is such an account, we have sent a link to choose a new password to its address. It is good for a short time.
notice-password-changed = Your password is changed
notice-password-changed-words = You were signed out everywhere. Sign in with the new password.
notice-email-verified = Your e-mail address is confirmed
notice-email-verified-words = Thank you. You can close this page.

# The account
account = Your account
account-sessions = Sessions
account-sessions-title = Where you are signed in
account-sessions-lead = If you do not recognise one of these, sign it out and change your password. What is signed out here is refused at its next request.
account-web-sessions = Applications of this service
account-apps = Apps
account-apps-title = Apps with access to your account
account-apps-lead = Each of these can do what is listed, until you remove its access.
account-apps-none = You have not given any app access to your account.
account-password = Password
account-password-title = Change your password
account-password-lead = You will be signed out everywhere else, and apps will have to ask again.
this-browser = this browser
unknown-browser = Unknown browser
session-began = Signed in { $when }
session-seen = last used { $when }
session-from = from { $address }
show-more = Show more
everywhere = Sign out everywhere
everywhere-words = This ends every session, here and in every other browser, and what every app holds of yours. Apps that you allow can ask again once you have signed in.
everywhere-button = Sign out everywhere
own-app = part of this service
allowed-since = Since { $when }
remove-access = Remove access
current-password = Current password
account-identities = Other accounts
account-identities-title = Accounts that sign you in
identities-lead = Whoever can sign in to one of these can sign in here as you. What is disconnected here signs nobody in any more.
identities-none = You sign in with your password alone.
identity-last = This is the only way in that is left to you. Connect another account first, or ask for a password.
disconnect = Disconnect
connect-lead = Connect another account
connect = Connect { $provider }
account-keys = API keys
account-keys-title = Your API keys
account-keys-lead = A key acts for you. What is revoked here is refused at its next request.
account-keys-none = You have no API keys.
make-key = Make a key
key-name = What it is for
key-days = How long it works
days = { $days ->
    [one] a day
   *[other] { $days } days
 }
may-do = What it may do
made-at = made { $when }
ends-at = until { $when }
ended = ended
revoke = Revoke
delete = Delete
key-made = The key “{ $name }” was made.
secret = Secret
shown-once = Keep it somewhere safe now. It is not shown again, to nobody.
already-made = “{ $name }” was made before, by the same form. Its secret was shown then.
account-clients = Your applications
account-clients-title = Applications that you registered
account-clients-lead = These can ask people for access to their accounts, by OAuth.
account-clients-none = You have not registered any application.
register-client = Register an application
client-name = Name, as people see it
redirect-uris = Redirect URIs
redirect-uris-hint = One on each line: where people are sent back to. They have to match byte for byte.
client-kind = Where it runs
client-server = On a server, which keeps a secret
client-public = In browsers or on devices, which cannot keep a secret
client-made = “{ $name }” is registered.
change = Change
save = Save
new-secret = New secret
turn-off = Turn off
turn-on = Turn on
turned-off = turned off
secret-made = There is a new secret for “{ $name }”. Those before go on working for a while.
not-possible = This was not done: { $why }
registered-by-user = A user of this service has registered this application. Nobody here has checked it.

# Password and e-mail
reset-title = Reset your password
reset-lead = Enter your username or e-mail address. We send a link to the address of the account.
reset-button = Send the link
choose-title = Choose a new password
choose-lead = Use at least { $least } characters. A few unrelated words are easy to remember and hard to guess.
new-password = New password
choose-button = Change the password
choose-weak = This password is too short or too well known. Choose another one.
verify-title = Confirm your e-mail address
verify-lead = Confirm that { $email } is your address.
verify-button = Confirm

# Going on by a form
form-post-title = One moment
form-post-words = Choose “{ continue }” to go back to the application.

# What went wrong
problem-request = This link does not work
problem-request-words = The application sent you here with a request that we cannot follow. Nothing was shared. Go back to the application and try again; if it happens again, tell the people who run it.
problem-sign-in = You are not signed in
problem-sign-in-words = Signing in was not finished: it was stopped, took too long, or began in another browser. Nothing was lost. Please try again.
problem-provider = The other site did not answer as it should
problem-provider-words = You are not signed in, and nothing was changed. Please try again in a moment, or sign in another way. If it happens again, tell the people who run this place, with the reference below.
problem-stranger = Nobody here is known by that account
problem-stranger-words = You have signed in there, but that account belongs to nobody here who may sign in. If you have an account here, sign in to it another way and connect the other one on your account page. If not, ask the people who run this place.
problem-taken = That account is already connected
problem-taken-words = It belongs to somebody else here. Nothing was changed.
problem-stale = This page is out of date
problem-stale-words = You may have signed in or out in another tab, or the page was open for too long. Nothing was changed.
problem-link = This link is no longer good
problem-link-words = A link works once, and for a short time. Nothing was changed. If you still need it, ask for a new one.
problem-foreign = This was stopped
problem-foreign-words = Another web site tried to act in your name. Nothing was changed.
problem-missing = There is nothing here
problem-missing-words = Check the address, or go back to where you came from.
problem-method = This page cannot be opened like this
problem-method-words = Go back to where you came from and try again.
problem-many = Too many attempts
problem-many-words = Wait a moment, then try again.
problem-unavailable = We cannot do this right now
problem-unavailable-words = It is our fault, not yours. Please try again in a moment.
again = Start again
for-operators = For the people who run the application
error-code = Error
error-detail = Detail
reference = Reference

# Mail
mail-reset-subject = Choose a new password
mail-reset-words = Somebody, probably you, wants to choose a new password for your account. To do so, open this page within 30 minutes:
mail-verify-subject = Confirm your e-mail address
mail-verify-words = To confirm that this is your address, open this page within a day:
mail-ignore = If you do not expect this mail, do nothing: nothing changes.
