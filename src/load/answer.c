/* SPDX-License-Identifier: MIT
 *
 * See answer.h.
 */
#include "load/answer.h"

enum { SWITCHING_PROTOCOLS = 101 };

/* http-parser takes each 1xx for a message of its own. */
static int on_message_complete(http_parser *parser)
{
    struct answer *answer = parser->data;
    unsigned status = parser->status_code;

    if (status / 100 == 1 && status != SWITCHING_PROTOCOLS)
        return 0;
    answer->whole = true;
    answer->keeps_open = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {.on_message_complete = on_message_complete};

void answer_begin(struct answer *answer)
{
    http_parser_init(&answer->parser, HTTP_RESPONSE);
    answer->parser.data = answer;
    answer->whole = answer->keeps_open = false;
}

enum answer_state answer_feed(struct answer *answer, const char *bytes, size_t length)
{
    size_t read = http_parser_execute(&answer->parser, &settings, bytes, length);

    if (read != length || (answer->parser.http_errno != HPE_OK && !answer->whole))
        return ANSWER_MALFORMED;
    return answer->whole ? ANSWER_WHOLE : ANSWER_PARTIAL;
}

enum answer_state answer_end(struct answer *answer)
{
    (void)http_parser_execute(&answer->parser, &settings, NULL, 0);
    answer->keeps_open = false;
    return answer->whole ? ANSWER_WHOLE : ANSWER_PARTIAL;
}
