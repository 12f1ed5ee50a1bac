package io.github.tfcompress.demo.app.ui

import androidx.compose.runtime.Composable
import androidx.compose.ui.res.stringResource
import io.github.tfcompress.demo.DamagedFile
import io.github.tfcompress.demo.DemoProblem
import io.github.tfcompress.demo.FileFailure
import io.github.tfcompress.demo.FreeAxis
import io.github.tfcompress.demo.MissingFile
import io.github.tfcompress.demo.Role
import io.github.tfcompress.demo.RuntimeFailure
import io.github.tfcompress.demo.UnknownSchema
import io.github.tfcompress.demo.UnreadableContract
import io.github.tfcompress.demo.UnreadableImage
import io.github.tfcompress.demo.WrongHash
import io.github.tfcompress.demo.WrongShape
import io.github.tfcompress.demo.WrongTensorCount
import io.github.tfcompress.demo.WrongType
import io.github.tfcompress.demo.app.R

/** What is wrong and what to do, in the user's language. */
@Composable
fun problemText(problem: DemoProblem): String = when (problem) {
    is UnreadableContract -> stringResource(R.string.problem_contract, problem.detail)
    is UnknownSchema -> stringResource(R.string.problem_schema, problem.received)
    is MissingFile -> stringResource(R.string.problem_missing, problem.file)
    is DamagedFile -> stringResource(R.string.problem_damaged, problem.file, problem.detail)
    is WrongHash -> stringResource(R.string.problem_hash, problem.file, problem.received, problem.expected)
    is WrongTensorCount ->
        stringResource(R.string.problem_count, roleText(problem.role), problem.file, problem.received)
    is WrongType -> stringResource(R.string.problem_type, roleText(problem.role), problem.file, problem.received)
    is FreeAxis ->
        stringResource(R.string.problem_free_axis, roleText(problem.role), problem.file, "${problem.received}")
    is WrongShape -> stringResource(
        R.string.problem_shape,
        roleText(problem.role),
        problem.file,
        "${problem.received}",
        "${problem.expected}",
    )
    is FileFailure -> stringResource(R.string.problem_storage, problem.detail)
    is UnreadableImage -> stringResource(R.string.problem_image)
    is RuntimeFailure ->
        stringResource(R.string.problem_runtime, problem.file, "${problem.accelerator}", problem.detail)
}

@Composable
private fun roleText(role: Role): String =
    stringResource(if (role == Role.INPUT) R.string.role_input else R.string.role_output)
