"""The question bank: how people ask, by the shape of what they ask for (templates.py).

Fields: {things}, {thing}: the rows asked about, plural and singular, with what stands before the noun;
{that}: conditions after it; {verb}: one condition as a verb phrase ("are older than 20"); {attrs}, {attr}: columns,
plural and singular ("names and ages", "name and age"); {group}, {groups}: a category; {measure}: a number's
name; {most}, {least}: superlatives; {n}: a number; {parents}, {children} and their singulars: two joined
tables.
"""

from __future__ import annotations

LIST = (
    "What are the {attrs} of [all |all the |the |]{things}{that}?",
    "[What is|What's] the {attr} of [each|every] {thing}{that}?",
    "[Show|List|Give|Return|Find|Display|Get|Select|Retrieve] [me |]the {attrs} of [all |all the |the |]{things}{that}.",
    "[Show|List|Give me|Find|Return] the {attr} of [each|every] {thing}{that}.",
    "[Show|List|Give|Return|Find] [all |]{things}{that} with their {attrs}.",
    "[I need|I want|I'd like to see|We need] the {attrs} of [all |the |]{things}{that}.",
    "[Can|Could] you [show|tell|give] me the {attrs} of [all |the |]{things}{that}?",
    "For [all|the] {things}{that}, what are the {attrs}?",
    "{attrs} of [all |]{things}{that}",
    "{things}{that}: {attrs}",
    "[Tell me|Please show|Please list] the {attrs} of [the |]{things}{that}.",
)

WHICH = (
    "[Which|What] {things} {verb}?",
    "[Which|What] {things} {verb}? [Give|Show|List|Return] [their|the] {attrs}.",
    "[Which|What] {things} {verb}, and what are their {attrs}?",
    "[Find|Show|List] the {attrs} of [the |all |]{things} [that|which] {verb}.",
    "What are the {attrs} of [the |]{things} that {verb}?",
)

WHO = (
    "Who {verb1}?",
    "Who are the {things} [who|that] {verb}?",
    "[Which|What] {things} {verb}?",
)

DISTINCT = (
    "What are the [different|distinct|unique] {groups} of [the |all |]{things}{that}?",
    "[Show|List|Find|Return] [all |][the |][different|distinct|unique] {groups} of {things}{that}.",
    "[Which|What] [different |distinct |]{groups} do {things}{that} have?",
    "[Which|What] {groups} are there among [the |]{things}{that}? [List each once|No repetitions, please].",
    "[Give me|List] every {group} of {things}{that} [once|without duplicates].",
)

COUNT = (
    "How many {things}{that} [are there|exist|do we have|are stored|]?",
    "How many {things} are there{that}?",
    "[Count|Count the number of|Count up] [the |all |]{things}{that}.",
    "[What is|What's|Find|Give me|Return|Show|Tell me] the [total |]number of {things}{that}[?|.]",
    "[number|total number] of {things}{that}",
    "[Calculate|Find out] how many {things} there are{that}.",
)

COUNT_VERB = (
    "How many {things} {verb}?",
    "How many of the {things} {verb}?",
    "[Count|Find the number of] {things} [that|which] {verb}.",
)

COUNT_DISTINCT = (
    "How many [different|distinct|unique] {groups} [are there|exist] among [the |]{things}{that}?",
    "How many [different|distinct|unique] {groups} do [the |]{things}{that} have?",
    "[What is|Find|Count|Return] the number of [different|distinct|unique] {groups} of [the |all |]{things}{that}[?|.]",
)

AGGREGATE = (
    "What is the {measure} of [all |the |all the |]{things}{that}?",
    "[Find|Calculate|Compute|Show|Return|Give me] the {measure} of [all |the |all the |]{things}{that}.",
    "[What|How high] is the {measure} [for|among|over|across] [all |the |]{things}{that}?",
    "{measure} of {things}{that}",
)

GROUP_COUNT = (
    "How many {things}{that} are there [for|in|of|with|per] each {group}?",
    "[Show|List|Find|Return|Give] [the |each |]{group} and the number of {things}{that} [for each|in each|with that {group}|of each].",
    "For [each|every] {group}, [how many {things}{that} are there|what is the number of {things}{that}]?",
    "What is the number of {things}{that} [per|by|in each|for each|for every] {group}?",
    "[Count|Count the] [the |][number of |]{things}{that} [by|per|for each|in each] {group}.",
    "[number of |]{things}{that} [by|per] {group}",
    "How are the {things}{that} distributed over the {groups}? Give the number for each.",
)

GROUP_MEASURE = (
    "What is the {measure} of {things}{that} [for|in|of|by] each {group}?",
    "[Show|List|Find|Return|Give] [each |the |]{group} and the {measure} of [its |the |their |]{things}{that}.",
    "For [each|every] {group}, [what is|show|find] the {measure} of [the |]{things}{that}[?|.]",
    "[Compute|Calculate|Find|Show] the {measure} [of {things}{that} |]for [each|every] {group}.",
    "{measure} of {things}{that} [by|per] {group}",
)

GROUP_MOST = (
    "[Which|What] {group} has the [most|largest number of|highest number of|greatest number of] {things}{that}?",
    "[Which|What] is the [most common|most frequent|most popular] {group} [of|among] [all |the |]{things}{that}?",
    "[Find|Show|Return|Give me] the {group} [with|that has] the [most|largest number of|highest number of] {things}{that}.",
    "[Which|What] {group} do most {things}{that} have?",
)

GROUP_LEAST = (
    "[Which|What] {group} has the [fewest|smallest number of|lowest number of|least] {things}{that}?",
    "[Which|What] is the [least common|rarest|least frequent] {group} [of|among] [all |the |]{things}{that}?",
    "[Find|Show|Return] the {group} [with|that has] the [fewest|smallest number of] {things}{that}.",
)

GROUP_TOP = (
    "[Which|What] are the {n} {groups} with the most {things}{that}?",
    "[Show|List|Give me|Find] the [top {n}|{n} most common|{n} most frequent] {groups} [by number of|of] {things}{that}.",
)

GROUP_HAVING = (
    "[Which|What] {groups} have {times} {things}{that}?",
    "[Find|List|Show|Return] [the |all |][{groups}|{groups} that have|{groups} with] {times} {things}{that}.",
    "[Find|List|Show] the {groups} [shared by|of] {times} {things}{that}.",
)

GROUP_HAVING_MEASURE = (
    "[Which|What] {groups} have a {measure} of {things}{that} {than}?",
    "[Find|List|Show] the {groups} whose {measure} of {things}{that} is {than}.",
)

SUPERLATIVE = (
    "[What is|What's] the {attr} of the {thing}{that} with the {best} {measure}?",
    "[What is|Find|Show|Give|Return|List] the {attr} of the {thing}{that} [that has|having|with] the {best} {measure}[?|.]",
    "[Which|What] {thing}{that} has the {best} {measure}?",
    "[Which|What] {thing}{that} has the {best} {measure}? [Give|Show|Return] its {attr}.",
    "[For|Of] the {thing}{that} with the {best} {measure}, [what is|show|return|find] the {attr}[?|.]",
)

SUPERLATIVE_ADJECTIVE = (
    "[What is|What's] the {attr} of the {adjective} {thing}{that}?",
    "[Which|What] {thing}{that} is the {adjective}?",
    "[Find|Show|Give me|Return|List|Tell me] the {attr} of the {adjective} {thing}{that}.",
    "[Which|What] is the {adjective} {thing}{that}? [Give|Show] [the|its] {attr}.",
    "{attr} of the {adjective} {thing}{that}",
)

TOP = (
    "[What are|Show|List|Find|Give me|Return] the {attrs} of the {n} {things}{that} with the {best} {measure}[?|.]",
    "[Which|What] {n} {things}{that} have the {best} {measure}?",
    "[Show|List|Give] [me |]the top {n} {things}{that} by {measure_from}[: their {attrs}|, with their {attrs}].",
)

TOP_ADJECTIVE = (
    "[What are|Show|List|Find|Give me|Return] the {attrs} of the {n} {adjective} {things}{that}[?|.]",
    "[Which|What] are the {n} {adjective} {things}{that}? [Give|Show|List] their {attrs}.",
)

SORTED = (
    "[Show|List|Give|Return|Find|Display] [me |]the {attrs} of [all |the |]{things}{that}[,|] [sorted|ordered] {order}.",
    "What are the {attrs} of [all |the |]{things}{that}, [sorted|ordered|listed] {order}?",
    "[Sort|Order] [all |the |]{things}{that} {order} and [show|list|give] their {attrs}.",
    "[Show|List] {things}{that} {order}: {attrs}.",
)

ALPHABETICALLY = (
    "[alphabetically by {a}|in alphabetical order of {a}|by {a} in ascending order|in ascending order of {a}|by {a}|by {a} from A to Z]",
    "[in [reverse alphabetical|descending alphabetical] order of {a}|in descending order of {a}|by {a} from Z to A]",
)
"""Ascending, descending; likewise below."""

BY_NUMBER = (
    "[by {a}|by {a} in ascending order|in ascending order of {a}|by {a} from low to high|by {a}, lowest first]",
    "[by {a} in descending order|in descending order of {a}|by {a} from high to low|by {a}, highest first|from the highest {a} to the lowest]",
)

GROUP_COUNT_AND_MEASURE = (
    "For [each|every] {group}, [show|find|what is|return] the number of {things} and the {measure}[?|.]",
    "[Show|Find|Return|List] [each|the] {group}, the number of {things} and the {measure}.",
)

GROUPS_SORTED = (
    "[Show|List|Give|Return] [the |all |all the |]{groups} of [the |]{things}{that} in {order} order of the number of {things}.",
    "[Sort|Order] [the |all |]{groups} of [the |]{things}{that} by [how many {things} they have|the number of {things}], in {order} order.",
    "What are the {groups} of [the |]{things}{that}, {order} by [the number of {things}|how many {things} there are]?",
    "[List|Show] [each|every] {group} of {things}{that}, [sorted|ordered] by [the |]number of {things} in {order} order.",
)

THAN_OTHER = (
    "[Which|What] {things} have a {measure} {side} [their|the] {other}?",
    "[Show|List|Find|Return] the {attrs} of [the |all |]{things} [whose|for which the] {measure} is {side} [their|the] {other}.",
    "What are the {attrs} of [the |]{things} with a {measure} {side} [their|the] {other}?",
)

AT_EXTREME = (
    "How many {things} have the {best} {measure}?",
    "[Count|Find the number of] {things} with the {best} {measure}.",
    "How many {things} are there with the {best} {measure}?",
)

THAN_THOSE = (
    "[Which|What] {things} have a {measure} {side} {those}? [Give|Show|List] their {attrs}.",
    "[Show|List|Find|Return] the {attrs} of [the |all |]{things} [whose|for which the] {measure} is {side} {those}.",
    "What are the {attrs} of [the |]{things} with a {measure} {side} {those}?",
)

ONE_LIST = (
    "[Show|List|Give|Return] the {attrs} of all {things} and the {other_attrs} of all {others}[, in one list| together in a single list| as one list].",
    "[Show|List|Return] all {thing} {attrs} and {other} {other_attrs} [together |][in one list|in a single list|in one column].",
    "What are the {attrs} of all {things} and of all {others}[ taken together|]? [Put them in one list|One list, please|Merge them].",
)

BEST_SELLING = (
    "[Which|What] {parent} [sold best|sold the most|was sold most often|is sold the most]?",
    "[What is|Show|Find|Give me] the [best-selling|best selling|top-selling|most sold] {parent}[?|.]",
)

TOP_SELLING = (
    "[Which|What] {n} {parents} [sold best|sold the most|were sold most often|sell best]?",
    "[What are|Show|List|Give me] the [top {n} best-selling|{n} best-selling|{n} best selling|{n} most sold] {parents}[?|.]",
)

PARENTS_SORTED = (
    "[Show|List|Return|Give] the {parent_attrs} of [the |all |]{parents} in {order} order of the number of {children_that}[ they have|].",
    "[Sort|Order] [the |all |]{parents} by [how many {children_that} they have|their number of {children_that}] in {order} order and [show|list] their {parent_attrs}.",
    "What are the {parent_attrs} of [the |all |]{parents}, sorted by [the number of|how many] {children_that} [they have |]in {order} order?",
)

PARENTS_BY_MEASURE = (
    "[Show|List|Find|Return] the {parent_attrs} of [the |all |]{parents} [whose|for which the] {measure} of {children_that} is {than}{order}.",
    "[Which|What] {parents} have a {measure} of {children_that} {than}? [Show|List] their {parent_attrs}{order}.",
    "What are the {parent_attrs} of [the |]{parents} with a {measure} of {children_that} {than}{order}?",
)

MEASURE_OF_EXTREME = (
    "What is the {measure} of [the |all |]{children} of the {extreme}?",
    "[Find|Show|Calculate|Return] the {measure} of [the |]{children} of the {extreme}.",
    "For the {extreme}, what is the {measure} of its {children}?",
)

MEASURE_BY_GROUP = (
    "What is the {measure} of [the |]{children_that} for each {group} of the {parents}?",
    "[Show|Find|Return] [each|every|the] {parent} {group} and the {measure} of [the |its |]{children_that}.",
    "For [each|every] {group} of {parents}, [what is|show|find] the {measure} of [the |their |]{children_that}[?|.]",
    "{measure} of {children_that} by {parent} {group}",
)

COMPARED = (
    "[What are|Show|List|Find|Return|Give] the {attrs} of [the |all |]{things} [whose|for which the|where the] {measure} is {side} [the average|average|the mean|the overall average][?|.]",
    "[Which|What] {things} have a {measure} {side} [the average|average]? [Give|Show|List] their {attrs}.",
    "[List|Find|Show] the {attrs} of {things} with [a |]{measure} {side} [the average|average|the mean].",
)

COMPARED_COUNT = (
    "How many {things} have a {measure} {side} [the average|average|the mean]?",
    "[Count|Find the number of] {things} whose {measure} is {side} [the average|average].",
)

BOTH = (
    "[Which|What] {groups} have both {one} and {other}?",
    "[Find|Show|List|Return] the {groups} [that have|with|having] both {one} and {other}.",
    "[Which|What] {groups} are [shared by|common to] {one} and {other}?",
)

EITHER_NOT = (
    "[Which|What] {groups} [do not have any|have no|do not have] {one}?",
    "[Find|Show|List|Return] the {groups} [that do not have any|without any|that have no|with no] {one}.",
    "[Find|List] all {groups} except those with {one}.",
)

PARENT_OF = (
    "[Show|List|Give|Find|Return] [me |]the {attrs} of [all |each |the |]{children} and the {parent_attrs} of their {parent}.",
    "What are the {attrs} of [the |all |]{children} and the {parent_attrs} of [their {parents}|the {parents} they belong to]?",
    "For [each|every] {child}, [show|list|find|give] its {attr} and the {parent_attr} of its {parent}.",
    "[Show|List] [the |]{children} with their {attrs}, together with the {parent_attrs} of the {parent}.",
)

OF_PARENT = (
    "What are the {attrs} of [the |all |]{children} [of|belonging to|that belong to|linked to] [the |]{parent_that}?",
    "[Show|List|Find|Give me|Return] the {attrs} of [the |all |]{children} [of|belonging to|that belong to|for] [the |]{parent_that}.",
    "[Which|What] {children} [belong to|are linked to] [the |]{parent_that}?",
    "[Which|What] {children} [belong to|are linked to] [the |]{parent_that}? List their {attrs}.",
    "[Find|Show] the {attrs} of {children} whose {parent} {parent_verb1}.",
)

COUNT_OF_PARENT = (
    "How many {children} [belong to|are linked to|are there for|are there of] [the |]{parent_that}?",
    "[Count|Find the number of|What is the number of] {children} [of|belonging to|for|linked to] [the |]{parent_that}.",
    "How many {children} does [the |]{parent_that} have?",
    "How many {children} have a {parent} [that|which] {parent_verb1}?",
)

MEASURE_OF_PARENT = (
    "What is the {measure} of [the |all |]{children} [of|belonging to|for] [the |]{parent_that}?",
    "[Find|Calculate|Show] the {measure} of {children} whose {parent} {parent_verb1}.",
)

HAVING_CHILDREN = (
    "What are the {parent_attrs} of [the |all |]{parents} [that have|with|which have|having] [a {child_that1}|{children_that}|at least one {child_that1}]?",
    "[Show|List|Find|Return|Give me] the {parent_attrs} of [the |all |]{parents} [that have|with|having] [a {child_that1}|any {children_that}|{children_that}].",
    "[Which|What] {parents} have [a {child_that1}|{children_that}|at least one {child_that1}]?",
)

WITHOUT_CHILDREN = (
    "What are the {parent_attrs} of [the |all |]{parents} [that do not have any|without any|with no|that have no|which never had a single|that have never had any] {children_that}?",
    "[Show|List|Find|Return|Give me] the {parent_attrs} of [the |all |]{parents} [that do not have any|without any|with no|that have no|not linked to any] {children_that}.",
    "[Which|What] {parents} [do not have any|have no|are without] {children_that}?",
)

COUNT_WITHOUT_CHILDREN = (
    "How many {parents} [do not have any|have no|are without any] {children_that}?",
    "[Count|Find the number of] {parents} [that do not have any|without any|with no] {children_that}.",
)

COUNT_EACH = (
    "How many {children_that} does each {parent} have? [Show|Give|Return|List] the {parent_attr} and the [number|count].",
    "For [each|every] {parent}, [show|find|list|return] [its|the] {parent_attr} and the number of {children_that}[ it has|].",
    "[Show|List|Find|Return|Give me] the {parent_attr} of [each|every] {parent} and the number of [its |]{children_that}.",
    "[Show|List] the {parent_attrs} of [all |the |]{parents} and [how many {children_that} they have|the number of {children_that} of each].",
    "What is the number of {children_that} [of|for] each {parent}? [Also show|Include] the {parent_attr}.",
    "number of {children_that} [per|by|for each] {parent}[ {parent_attr}|]",
)

MOST_CHILDREN = (
    "[Which|What] {parent} has the [most|largest number of|highest number of|greatest number of] {children_that}?",
    "[What is|Find|Show|Return|Give me] the {parent_attr} of the {parent} [with|that has|having] the [most|largest number of|highest number of] {children_that}[?|.]",
    "[Which|What] {parent} has the most {children_that}? [Give|Show|Return] its {parent_attr}.",
)

FEWEST_CHILDREN = (
    "[Which|What] {parent} has the [fewest|smallest number of|lowest number of] {children_that}?",
    "[What is|Find|Show|Return] the {parent_attr} of the {parent} [with|that has] the [fewest|smallest number of|least] {children_that}[?|.]",
)

TOP_CHILDREN = (
    "[Which|What] {n} {parents} have the most {children_that}? [Give|Show|List] their {parent_attrs}.",
    "[Show|List|Find|Give me] the {parent_attrs} of the [top {n} {parents} by number of|{n} {parents} with the most] {children_that}.",
)

CHILDREN_HAVING = (
    "What are the {parent_attrs} of [the |all |]{parents} [that have|with|having] {times} {children_that}?",
    "[Show|List|Find|Return|Give me] the {parent_attrs} of [the |all |]{parents} [that have|with|having] {times} {children_that}.",
    "[Which|What] {parents} have {times} {children_that}? [Give|Show|List] their {parent_attrs}.",
)

MEASURE_EACH = (
    "What is the {measure} of the {children_that} of each {parent}? [Show|Include|Return] the {parent_attr}[ too|].",
    "[Show|List|Find|Return|Give] the {parent_attr} of [each|every] {parent} and the {measure} of its {children_that}.",
    "For [each|every] {parent}, [what is|show|find] the {parent_attr} and the {measure} of its {children_that}[?|.]",
)

MOST_MEASURE = (
    "[Which|What] {parent} has the {best} {measure} of {children_that}?",
    "[What is|Find|Show|Return] the {parent_attr} of the {parent} [with|that has] the {best} {measure} of {children_that}[?|.]",
    "[Which|What] {parent}'s {children_that} have the {best} {measure}?",
)

OF_EXTREME_PARENT = (
    "What are the {attrs} of [the |all |]{children} of the {parent} with the {best} {measure}?",
    "[Show|List|Find|Return] the {attrs} of {children} whose {parent} has the {best} {measure}.",
)

CHILDREN_BY_GROUP = (
    "How many {children_that} are there for each {group} of the {parents}?",
    "[Show|Find|Return] the number of {children_that} for each {parent} {group}.",
    "For [each|every] {group} of {parents}, how many {children_that} are there?",
    "number of {children_that} by {parent} {group}",
)

BOTH_CHILDREN = (
    "[Show|List|Find|Return] the {parent_attrs} of [the |all |]{parents} [that have|with|having] both {one} and {other}.",
    "[Which|What] {parents} have both {one} and {other}? [Give|Show|List] their {parent_attrs}.",
    "What are the {parent_attrs} of {parents} with {one} as well as {other}?",
)

LINKED = (
    "[Show|List|Give|Find|Return] the {parent_attrs} of [the |all |]{parents} and the {attrs} of [the |their |]{children}.",
    "For [each|every] {parent}, [list|show] its {parent_attr} and the {attrs} of its {children}.",
    "What are the {attrs} of the {children} of each {parent}, with the {parent}'s {parent_attr}?",
)

PER_TIME = (
    "How many {things}{that} are there [per|for each|in each|by] {part}?",
    "[Show|Find|Give me|List] the number of {things}{that} [per|for each|in each|by] {part}.",
    "[number of |]{things}{that} [per|by] {part}",
    "How did the number of {things}{that} develop by {part}?",
)

MEASURE_PER_TIME = (
    "What is the {measure} of {things}{that} [per|for each|in each|by] {part}?",
    "[Show|Find|Give me] the {measure} of {things}{that} [per|for each|by] {part}.",
    "{measure} of {things}{that} [per|by] {part}",
)

WHAT_ABOUT = (
    "[And|What about|How about|And what about] [for |in |with |]{value}?",
    "And [the same |]for {value}?",
    "[Now|Ok, now] for {value}.",
    "[The same|And the same] for {value}, please.",
)

ONLY = (
    "Only those [that|which] {verb}.",
    "[And only|Just|Now only] [the ones|those] [that|which] {verb}.",
    "[And|What about] only those that {verb}?",
    "Which of [them|these|those] {verb}?",
)

HOW_MANY_OF_THEM = (
    "How many of [them|these|those] {verb}?",
    "And how many of [them|those] {verb}?",
)

HOW_MANY = (
    "How many [are there|is that|are they|of them are there]?",
    "[And how many|And how many are there]?",
    "[Count them|Count these|Just give me the number].",
)

SHOW_THEM = (
    "What are their {attrs}?",
    "[Show|List|Give] [me |]their {attrs}.",
    "[Which ones|Which {things}]? [Show|List] their {attrs}.",
    "And their {attrs}?",
)

THEIR_MEASURE = (
    "What is their {measure}?",
    "And [what is |]their {measure}?",
    "[Now|And] the {measure}[?|, please.]",
)

BY_GROUP = (
    "[And|Now] [by|per|for each] {group}[?|.]",
    "[Break|Split] [that|it|this] [down|up] by {group}.",
    "How [is|does] that [look|spread] [by|over the] {groups}?",
    "[By|Per] {group}?",
)

WHICH_OF_THEM = (
    "Which of [them|these|those] has the {best} {measure}?",
    "[And which|Which one] has the {best} {measure}?",
    "Who or what among them has the {best} {measure}?",
)
