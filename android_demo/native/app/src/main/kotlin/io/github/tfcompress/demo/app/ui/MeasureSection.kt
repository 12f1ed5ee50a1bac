package io.github.tfcompress.demo.app.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.material3.Button
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import io.github.tfcompress.demo.Accelerator
import io.github.tfcompress.demo.DemoState
import io.github.tfcompress.demo.GoldenCheck
import io.github.tfcompress.demo.Measurement
import io.github.tfcompress.demo.Work
import io.github.tfcompress.demo.app.DemoViewModel
import io.github.tfcompress.demo.app.R

/** Measures the chosen model, and compares its outputs with those of Python. */
@Composable
fun MeasureSection(state: DemoState, viewModel: DemoViewModel) {
    val work = state.work
    val ready = state.runsOn != null && work !is Work.Measuring && work != Work.Checking
    Column(verticalArrangement = Arrangement.spacedBy(8.dp)) {
        FlowRow(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
            Button(onClick = viewModel::measure, enabled = ready) { Text(stringResource(R.string.measure)) }
            OutlinedButton(onClick = viewModel::check, enabled = ready) { Text(stringResource(R.string.check)) }
        }
        if (work is Work.Measuring) {
            val description = stringResource(R.string.measuring, work.finished, work.all)
            LinearProgressIndicator(
                progress = { work.finished.toFloat() / work.all },
                modifier = Modifier.fillMaxWidth().semantics { contentDescription = description },
            )
        }
        state.measurement(state.model)?.let { ReadOut(measurementText(it)) }
        state.check?.let { ReadOut(checkText(it)) }
    }
}

@Composable
private fun ReadOut(text: String) {
    Text(text, Modifier.semantics { liveRegion = LiveRegionMode.Polite })
}

/** The latency and what it was measured on. */
@Composable
fun measurementText(measurement: Measurement): String = stringResource(
    R.string.latency,
    measurement.latency.median,
    measurement.latency.p90,
    measurement.latency.runs,
    acceleratorText(measurement.accelerator, measurement.threads),
)

/** An accelerator as it is shown: with its threads where they are known. */
@Composable
fun acceleratorText(accelerator: Accelerator, threads: Int?): String =
    if (threads == null) accelerator.name else stringResource(R.string.with_threads, accelerator.name, threads)

@Composable
private fun checkText(check: GoldenCheck): String = stringResource(
    if (check.holds) R.string.check_holds else R.string.check_fails,
    check.equalOutputs,
    check.outputs,
    "${check.largestDifference}",
    "${check.tolerance}",
    check.rightAnswers,
    check.images,
)
