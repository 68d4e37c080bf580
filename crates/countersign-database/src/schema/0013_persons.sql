-- What is registered of owners that are persons. The username is folded: nobody else signs in as that, in any organisation.
-- The password is a hash under the pepper of the version beside it, which is not kept here.

CREATE TABLE person (
    id                TEXT   NOT NULL PRIMARY KEY REFERENCES owner (id),
    username          TEXT   NOT NULL UNIQUE,
    email             TEXT,
    email_verified_at BIGINT,
    password          TEXT,
    pepper            BIGINT,
    password_at       BIGINT,
    version           BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    payload           TEXT   NOT NULL
) /* STRICT */;

-- What a person is in which organisation.
CREATE TABLE membership (
    person       TEXT   NOT NULL REFERENCES person (id),
    organisation TEXT   NOT NULL REFERENCES owner (id),
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    roles        TEXT   NOT NULL,
    PRIMARY KEY (person, organisation)
) /* STRICT */;
