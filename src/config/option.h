/* SPDX-License-Identifier: MIT
 *
 * The table of options, and how one value of one option is read and written.
 *
 * Private to the files beside it. A row says all there is to know about an
 * option; the sources (command line, environment, file) and the outputs (--help,
 * --print-config, config_describe()) loop over the rows and know no setting by
 * name. A new option is a field in struct config and a row here.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include "config.h"

enum config_kind {
    KIND_TEXT,     /* const char *; an empty text is NULL where the default is empty */
    KIND_LISTEN,   /* const char *, checked to look like an address */
    KIND_DB,       /* const char *, checked to look like a database's URI */
    KIND_PEER,     /* const char *, checked to look like a server's address; may be empty */
    KIND_NETWORKS, /* const char *, checked to look like a list of networks; may be empty */
    KIND_CHOICE,   /* an enum: the index of one of choices */
    KIND_FLAG,     /* bool */
    KIND_COUNT,    /* unsigned; 0 is outside the range: "auto"; else that is the default */
    KIND_MODE,     /* unsigned permission bits in octal; 0 is spelt "auto" */
    KIND_SECONDS,  /* int64_t milliseconds, written as seconds with a fraction */
    KIND_SIZE,     /* size_t or uint64_t bytes, with suffixes k, M, G */
    KIND_FILE,     /* --config: no field; cannot be set in a file */
    KIND_ACTION,   /* no field, no value; command line only */
};

struct config_option {
    const char *name; /* without dashes, as in a configuration file */
    enum config_kind kind;
    enum config_action action;  /* KIND_ACTION */
    size_t offset;              /* of the field in struct config */
    size_t width;               /* of the field, in bytes */
    uint64_t min;               /* in the field's unit; numbers only */
    uint64_t max;               /* inclusive */
    const char *initial;        /* the default, spelt as in a file; never NULL for a setting */
    const char *metavar;        /* what --help shows after the '='; NULL: nothing */
    const char *const *choices; /* KIND_CHOICE; ended by a NULL */
    const char *help;           /* one line, without a full stop */
};

/* Settings first, then --config and the actions; ends with a row whose name is NULL. */
extern const struct config_option config_options[];

/* True for a row that has a field in struct config. */
bool config_option_is_setting(const struct config_option *option);

/* The row whose name is name[0..length), or NULL. */
const struct config_option *config_option_find(const char *name, size_t length);

/*
 * Reads text as a value of option, a setting, into *config. A text value is not
 * copied: text must outlive *config. Returns 0, or -EINVAL when it is not an
 * accepted value (*config is then unchanged).
 */
int config_option_set(struct config *config, const struct config_option *option, const char *text)
    __attribute__((warn_unused_result));

/*
 * The option's value in *config, spelt as config_option_set() reads it: the text
 * itself, however long ("" for NULL), or a number written to scratch.
 */
enum { CONFIG_SCRATCH = 32 };
const char *config_option_get(const struct config *config, const struct config_option *option,
                              char scratch[CONFIG_SCRATCH]);

/* Writes what option accepts to out, as in "seconds from 0.001 to 86400". */
void config_option_accepted(const struct config_option *option, char *out, size_t size);

/* Where a message goes: one line, no newline. */
struct config_error {
    char *text;
    size_t size;
};

/*
 * Reports a value that is not accepted. label is the option as the user spelt it, value what
 * was given (NULL: nothing was), where the place ("file:3: ", or ""). Returns -EINVAL.
 */
int config_bad_value(const struct config_error *error, const char *where, const char *label,
                     const struct config_option *option, const char *value);

/* True for a value that is not to be quoted: it may be a password, or a URI with one. */
bool config_may_hold_secret(const struct config_option *option, const char *value);

/* Copies text to out as far as it could be a name. Returns what stands for the rest: "..." or "".
 */
enum { CONFIG_NAME_SHOWN = 64 };
const char *config_show_name(char out[CONFIG_NAME_SHOWN], const char *text);

/* Reports a name that is no setting of a file (dashes "") or no option (dashes "--"). */
int config_bad_name(const struct config_error *error, const char *where, const char *dashes,
                    const char *name);

enum { CONFIG_OPTIONS_MAX = 64 };

/* Collects the names of the table, all or those of settings. Returns how many. */
size_t config_option_names(const char *names[CONFIG_OPTIONS_MAX], bool settings_only);

/* The number of slips that turn a into b, two words of at most 48 bytes; else a great number. */
unsigned config_distance(const char *a, const char *b);

/*
 * Reads the settings of the environment into *config; *file receives SERVER_CONFIG, if set.
 * Returns 0, or -EINVAL.
 */
int config_environment_load(struct config *config, char **environ_names, const char **file,
                            const struct config_error *error) __attribute__((warn_unused_result));

/*
 * Reads the configuration file at path into *config, which then owns its text.
 * Returns 0, -EINVAL for a bad line, -ENOMEM, or another negative errno when it cannot be
 * read; error then says which file, and which line where there is one.
 */
int config_file_load(struct config *config, const char *path, const struct config_error *error)
    __attribute__((warn_unused_result));

/*
 * Writes text to out as a value in a configuration file, quoted where it must be.
 * Returns the length of that; size or more means that it was cut.
 */
size_t config_file_quote(char *out, size_t size, const char *text);

#endif
